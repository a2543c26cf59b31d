"""The door: the server that clients of buckets connect to, in front of the embedded store, which listens on loopback.

One thread with its own event loop serves all connections. Bodies pass through the kernel, so the thread only handles
each request's head. Longer work (creating a bucket, a policy, a look-up of a name in the store) runs in a few other
threads, in which addresses and accounts take turns.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Final

import structlog
import uvloop

from souche.http import connections
from souche.http.s3.answers import Refused
from souche.http.s3.connection import Connection, Shared
from souche.http.s3.desk import Desk
from souche.http.s3.tls_wires import without_tls
from souche.http.s3.wires import Wire
from souche.http.turns import Bounds, Turns

ANSWERS: Final = Bounds(threads=4, most_each=2, most_waiting=64, most_seconds=60)
"""Per account. Creating a bucket takes half a second, one at a time: see `Desk.making`."""
LOOKUPS: Final = Bounds(threads=4, most_each=3, most_waiting=512, most_seconds=60)
"""Per address. A lookup takes some milliseconds."""
FILES_OF_ONE: Final = 6
"""a connection's two sockets and two pipes"""
FILES_OF_TLS: Final = 2
MOST_CONNECTIONS: Final = 2048
MOST_FROM_ADDRESS: Final = 1024
FULL_SECONDS: Final = 0.1

log = structlog.get_logger()


@contextlib.contextmanager
def opened(door: "Door") -> Iterator[None]:
    """An open door, until the context ends."""
    door.open()
    try:
        yield
    finally:
        door.close()


class Door:
    """A door that is open from `open` to `close`."""

    def __init__(
        self,
        listening: socket.socket,
        store: tuple[str, int],
        desk: Desk,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`listening` is the socket for clients, `store` the store's address."""
        self._listening = listening
        self._tls = tls
        self._shared = Shared(
            store, desk, Turns.of_threads("oos-desk", ANSWERS), Turns.of_threads("oos-look", LOOKUPS)
        )
        files_of_one = FILES_OF_ONE + (FILES_OF_TLS if tls else 0)
        files = min(connections.most_files() // files_of_one, MOST_CONNECTIONS * 4 // 3)
        self._open = connections.Connections(connections.Bounds(MOST_FROM_ADDRESS), files)
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="oos-door", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Answer, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering. Requests under way are cut off."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        self._listening.setblocking(False)  # noqa: FBT003 (socket's own)
        accepting = self._loop.create_task(self._accept())
        self._loop.run_forever()
        for task in (accepting, *self._tasks):
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(accepting, *self._tasks, return_exceptions=True))
        self._loop.close()

    async def _accept(self) -> None:
        while True:
            try:
                sock, address = await self._loop.sock_accept(self._listening)
            except OSError as error:
                log.warning("the object store's door took no connection", reason=str(error))
                await asyncio.sleep(FULL_SECONDS)
                continue
            task = self._loop.create_task(self._serve(sock, address[0]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket, host: str) -> None:
        sock.setblocking(False)  # noqa: FBT003 (socket's own)
        if not self._open.admit(host):
            self._turn_away(sock)
            return
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is None:
                await Connection(Wire(sock), host, self._shared).serve()
            else:
                await self._serve_tls(sock, host, self._tls)
        except Exception:
            log.exception("a connection to the object store's door broke")
        finally:
            self._open.leave(host)

    async def _serve_tls(self, sock: socket.socket, host: str, context: ssl.SSLContext) -> None:
        try:
            async with without_tls(sock, context) as wire:
                await Connection(wire, host, self._shared).serve()
        except OSError as error:  # includes ssl.SSLError
            log.debug("a TLS connection to the object store's door broke", host=host, reason=str(error))
            sock.close()

    def _turn_away(self, sock: socket.socket) -> None:
        """Send the reason, if that needs no handshake."""
        refused = Refused("SlowDown", "There are too many connections. Please reduce your request rate.")
        with contextlib.suppress(OSError):
            if self._tls is None:
                sock.send(refused.answer().encoded(bodiless=False, last=True))
        sock.close()
