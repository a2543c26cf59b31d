"""Connects a person's terminal, or a pipe, to a socket."""

import os
import select
import socket
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

ESCAPE: Final = b"\x1d"
"""Ctrl-], as in telnet and virsh"""
PIECE_BYTES: Final = 64 * 1024


def attach(connected: socket.socket, keyboard: int, screen: int) -> bool:
    """Show the output and send the input, until the other side ends, or ESCAPE is typed at a terminal. Input from a
    pipe is sent unchanged; after its end, output is still shown. Returns whether ESCAPE was typed."""
    with _raw(keyboard) as is_terminal:
        session = _Session(connected, keyboard, screen, is_terminal=is_terminal)
        while session.goes_on:
            session.step()
    return session.left


class _Session:
    def __init__(self, connected: socket.socket, keyboard: int, screen: int, *, is_terminal: bool) -> None:
        self._connected = connected
        self._keyboard = keyboard
        self._screen = screen
        self._is_terminal = is_terminal
        self._reads_keyboard = True
        self._typed = b""
        self.goes_on = True
        self.left = False

    def step(self) -> None:
        """Wait until something can be done, and do it."""
        sources: list[int | socket.socket] = [self._connected]
        if self._reads_keyboard and not self._typed:
            sources.append(self._keyboard)
        readable, writable, _ = select.select(sources, [self._connected] if self._typed else [], [])
        if self._connected in readable:
            self._show()
        if writable:
            self._send()
        if self._keyboard in readable:
            self._type()

    def _show(self) -> None:
        written = self._connected.recv(PIECE_BYTES)
        if not written:
            self.goes_on = False
        while written:
            written = written[os.write(self._screen, written) :]

    def _type(self) -> None:
        self._typed = os.read(self._keyboard, PIECE_BYTES)
        if self._is_terminal and ESCAPE in self._typed:
            self.left, self.goes_on = True, False
            self._typed = self._typed.partition(ESCAPE)[0]
        if self._typed:
            self._send()
        elif self.goes_on:
            self._reads_keyboard = False
            self._connected.shutdown(socket.SHUT_WR)

    def _send(self) -> None:
        try:
            sent = self._connected.send(self._typed, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except (BrokenPipeError, ConnectionResetError):  # output received before is still shown
            sent, self._reads_keyboard = len(self._typed), False
        self._typed = self._typed[sent:]


@contextmanager
def _raw(keyboard: int) -> Iterator[bool]:
    """Let a terminal pass each key on as it is; whether there is a terminal."""
    if not os.isatty(keyboard):
        yield False
        return
    before = termios.tcgetattr(keyboard)
    tty.setraw(keyboard)
    try:
        yield True
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
