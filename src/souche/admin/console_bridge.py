"""Sessions at the serial consoles of guests. The server holds the console. A command connects to it through a socket in
the operator's folder.

The server always reads the guest's output, because a guest whose console is not read waits. It disconnects a command
that reads nothing for STALL_SECONDS while the socket's buffer is full.
"""

import select
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from secrets import token_hex
from threading import Thread
from typing import Final

from souche.admin import wire

CONNECT_SECONDS: Final = 10.0
STALL_SECONDS: Final = 1.0
PIECE_BYTES: Final = 64 * 1024


class Offer:
    """A socket in `folder`, by its `name`, which takes one connection of the folder's owner or of root."""

    def __init__(self, folder: Path) -> None:
        self.name = f"{wire.CONSOLE}{token_hex(8)}.sock"
        self._folder = folder
        self._listening = wire.bind(folder, self.name)

    def hold(self, serial: socket.socket, opened: ExitStack) -> None:
        """In a thread, wait CONNECT_SECONDS for the connection, and bridge it to a console. `opened` is closed in the
        end."""
        Thread(target=self._hold, args=(serial, opened), name="console", daemon=True).start()

    def _hold(self, serial: socket.socket, opened: ExitStack) -> None:
        with opened, suppress(OSError), self._accepted() as client:
            if wire.is_owner(wire.peer_of_socket(client)):
                bridge(serial, client)

    def _accepted(self) -> socket.socket:
        """
        Raises:
            TimeoutError.
        """
        try:
            self._listening.settimeout(CONNECT_SECONDS)
            return self._listening.accept()[0]
        finally:
            self._listening.close()
            wire.remove(self._folder, self.name)


def bridge(serial: socket.socket, client: socket.socket) -> None:
    """Connect a client to a console until either ends. A client that has shut down its sending side still reads."""
    client.settimeout(STALL_SECONDS)  # for sends; reads wait in poll(2)
    typing = Thread(target=_type, args=(client, serial), name="console input", daemon=True)
    typing.start()
    with suppress(OSError):
        while written := serial.recv(PIECE_BYTES):
            client.sendall(written)
    _end(client)
    _end(serial)
    typing.join()


def _type(client: socket.socket, serial: socket.socket) -> None:
    """Forward the client's input to the guest. When the client is gone, close the connection to the guest."""
    with suppress(OSError):
        _wait(client, select.POLLIN)
        while typed := client.recv(PIECE_BYTES):
            serial.sendall(typed)
            _wait(client, select.POLLIN)
        _wait(client, 0)
    _end(serial)


def _wait(client: socket.socket, event: int) -> None:
    """Wait for an event, or for the end of the connection in both directions, which poll(2) always reports."""
    waiting = select.poll()
    waiting.register(client, event)
    waiting.poll()


def _end(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
