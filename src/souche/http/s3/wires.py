"""Sockets, with transfers between them inside the kernel (splice(2)): the door never holds a body.

A wire's `progress` is the event loop's time of the last transfer. It shows stalled connections.
"""

import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from souche.http.s3 import heads
from souche.http.s3.heads import BadHead

READ_BYTES: Final = 64 * 1024
PIPE_BYTES: Final = 1024 * 1024
MOST_LINE: Final = 1024
"""bytes of the line before a chunk, and of a trailer"""
F_SETPIPE_SZ: Final = 1031
FLAGS: Final = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


class WireClosed(Exception):
    """The other end has closed the connection in the middle of a message. Internal to the door."""


class Wire:
    """A non-blocking connection, with the bytes already read from it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)  # noqa: FBT003 (socket's own)
        self.sock: Final = sock
        self.buffer = bytearray()
        self._loop = asyncio.get_running_loop()
        self.progress = self._loop.time()

    def close(self) -> None:
        self.sock.close()

    async def read_head(self) -> bytes | None:
        """The next head, blank line included; None: the other end has closed the connection before it.

        Raises:
            BadHead: it is too long. WireClosed: it ends in the middle.
        """
        while (end := self.buffer.find(heads.END)) < 0:
            if len(self.buffer) > heads.MOST_BYTES:
                raise BadHead("the head is too long")
            if not await self._fill():
                if self.buffer:
                    raise WireClosed
                return None
        return self.take(end + len(heads.END))

    async def read_line(self) -> bytes:
        """The next line, with its end.

        Raises:
            BadHead: it is too long, or ambiguous. WireClosed.
        """
        while (end := self.buffer.find(b"\r\n")) < 0:
            if len(self.buffer) > MOST_LINE:
                raise BadHead("a line is too long")
            if not await self._fill():
                raise WireClosed
        line = self.take(end + 2)
        if line.translate(None, b"\r\n") != line[:-2]:
            raise BadHead("a line ends in the middle")
        return line

    async def read(self, length: int) -> bytes:
        """Read exactly `length` bytes.

        Raises:
            WireClosed.
        """
        while len(self.buffer) < length:
            if not await self._fill():
                raise WireClosed
        return self.take(length)

    def take(self, length: int) -> bytes:
        """Up to `length` of the bytes already read."""
        taken = bytes(self.buffer[:length])
        del self.buffer[:length]
        return taken

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        await self._loop.sock_sendall(self.sock, data)
        self.progress = self._loop.time()

    def is_stale(self) -> bool:
        """Whether the other end has closed the connection, or sent unrequested data."""
        if self.buffer:
            return True
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    async def discard(self, most: int) -> None:
        """Read and drop data until the other end is done, or `most` bytes have come."""
        self.buffer.clear()
        while most > 0 and (count := await self._fill()):
            self.buffer.clear()
            most -= count

    async def _fill(self) -> int:
        data = await self._loop.sock_recv(self.sock, READ_BYTES)
        self.buffer += data
        self.progress = self._loop.time()
        return len(data)


class Pipe:
    """A pipe for bytes in transit, made when first needed."""

    def __init__(self) -> None:
        self._ends: tuple[int, int] | None = None

    def close(self) -> None:
        for end in self._ends or ():
            os.close(end)
        self._ends = None

    async def move(self, source: Wire, target: Wire, length: int) -> None:
        """Move `length` bytes from one to the other.

        Raises:
            WireClosed: the source ended before.
        """
        held = source.take(length)
        if held:
            await target.send(held)
        left = length - len(held)
        while left:
            left -= await self._some(source, target, left)

    async def move_all(self, source: Wire, target: Wire) -> None:
        """Move bytes from one to the other until the source ends."""
        await target.send(source.take(len(source.buffer)))
        try:
            while True:
                await self._some(source, target, PIPE_BYTES)
        except WireClosed:
            return

    async def move_chunks(self, source: Wire, target: Wire) -> None:
        """Move a chunked body (RFC 9112, 7.1), trailers included.

        Raises:
            BadHead: it is none. WireClosed.
        """
        while True:
            line = await source.read_line()
            await target.send(line)
            size = _chunk_size(line)
            if not size:
                break
            await self.move(source, target, size)
            if (end := await source.read(2)) != b"\r\n":
                raise BadHead("a chunk does not end where it says")
            await target.send(end)
        for _ in range(MOST_LINE):
            line = await source.read_line()
            await target.send(line)
            if line == b"\r\n":
                return
        raise BadHead("there are too many trailers")

    async def _some(self, source: Wire, target: Wire, most: int) -> int:
        loop = asyncio.get_running_loop()
        reading, writing = self._ends or self._make()
        while True:
            try:
                moved = os.splice(source.sock.fileno(), writing, min(most, PIPE_BYTES), flags=FLAGS)
                break
            except BlockingIOError:
                await _ready(source.sock, loop.add_reader, loop.remove_reader)
        if not moved:
            raise WireClosed
        source.progress = loop.time()
        left = moved
        while left:
            try:
                left -= os.splice(reading, target.sock.fileno(), left, flags=FLAGS)
            except BlockingIOError:
                await _ready(target.sock, loop.add_writer, loop.remove_writer)
            target.progress = loop.time()
        return moved

    def _make(self) -> tuple[int, int]:
        self._ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # over the user's limit, the pipe keeps its size
            fcntl.fcntl(self._ends[1], F_SETPIPE_SZ, PIPE_BYTES)
        return self._ends


def _chunk_size(line: bytes) -> int:
    size = line[:-2].partition(b";")[0].strip(b" \t")
    if not 0 < len(size) <= 15 or set(size.lower()) - set(b"0123456789abcdef"):
        raise BadHead("a chunk has no size")
    return int(size, 16)


async def _ready(
    sock: socket.socket, add: Callable[..., Any], remove: Callable[[socket.socket], Any]
) -> None:
    """Wait until a socket can be read, or written."""
    ready = asyncio.Event()
    add(sock, ready.set)
    try:
        await ready.wait()
    finally:
        remove(sock)
