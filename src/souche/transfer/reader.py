"""Reading a disk over NBD: what holds data, and only that, with several requests in flight."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

import nbd

from souche.errors import StorageFailed
from souche.formats.extents import Allocation, Chunk, Extent, pieces

ALLOCATION_CONTEXT: Final = "base:allocation"
STATUS_BYTES: Final = 1024 * 1024 * 1024
"""asked for at once; servers count in 32 bits"""
CHUNK_BYTES: Final = 1024 * 1024
IN_FLIGHT: Final = 8
ANSWER_MILLISECONDS: Final = 60_000


class _Slot:
    """Room for one request. Debian's libnbd (1.14) never lets go of a buffer that it was given, so the same few
    are used again and again, by one connection after the other."""

    def __init__(self) -> None:
        self._room = memoryview(bytearray(CHUNK_BYTES))
        self._buffers: dict[int, nbd.Buffer] = {}

    def buffer(self, length: int) -> nbd.Buffer:
        """The first `length` bytes, as libnbd wants them: lengths are few, being whole clusters."""
        if length not in self._buffers:
            self._buffers[length] = nbd.Buffer.from_buffer(self._room[:length])
        return self._buffers[length]

    def content(self, length: int) -> bytes:
        return bytes(self._room[:length])


_SPARE: Final[deque[_Slot]] = deque()


def _slot() -> _Slot:
    try:
        return _SPARE.pop()
    except IndexError:
        return _Slot()


class _Request(NamedTuple):
    piece: Extent
    slot: _Slot
    cookie: int


class Reader:
    """One connection to a disk."""

    def __init__(self, handle: nbd.NBD) -> None:
        self._handle = handle
        self._free = [_slot() for _ in range(IN_FLIGHT)]
        self._pending: deque[_Request] = deque()
        self.size_bytes: int = handle.get_size()

    def allocation(self) -> Allocation:
        """Where the disk holds data; all of it, when the server does not tell.

        Raises:
            StorageFailed: the server failed.
        """
        allocation = Allocation(self.size_bytes)
        with _failures():
            if not self._handle.can_meta_context(ALLOCATION_CONTEXT):
                allocation.add(0, self.size_bytes)
                return allocation
            offset = 0
            while offset < self.size_bytes:
                offset = self._add_status(allocation, offset)
        return allocation

    def chunks(self, allocation: Allocation) -> Iterator[Chunk]:
        """The allocation's bytes in order, in chunks of at most 1 MiB.

        Raises:
            StorageFailed: the server failed, or has not answered for a minute.
        """
        with _failures():
            for piece in pieces(allocation, CHUNK_BYTES):
                if not self._free:
                    yield self._answer()
                self._ask(piece)
            while self._pending:
                yield self._answer()

    def release(self) -> None:
        """Let other connections have the buffers; this one is closed, and writes to them no more."""
        _SPARE.extend([*self._free, *(request.slot for request in self._pending)])

    def _add_status(self, allocation: Allocation, offset: int) -> int:
        """Ask for the part from `offset` on; returns where the answer ends."""
        end = offset

        def take(_context: str, start: int, entries: list[int], _error: int) -> int:
            nonlocal end
            end = start
            for length, flags in zip(entries[::2], entries[1::2], strict=True):
                length = min(length, self.size_bytes - end)
                if not flags & nbd.STATE_ZERO:
                    allocation.add(end, length)
                end += length
            return 0

        self._handle.block_status(min(STATUS_BYTES, self.size_bytes - offset), offset, take)
        if end <= offset:
            raise StorageFailed(reason="the NBD server told no block status")
        return end

    def _ask(self, piece: Extent) -> None:
        slot = self._free.pop()
        cookie = self._handle.aio_pread(slot.buffer(piece.length), piece.offset)
        self._pending.append(_Request(piece, slot, cookie))

    def _answer(self) -> Chunk:
        """The oldest request's."""
        piece, slot, cookie = self._pending.popleft()
        while not self._handle.aio_command_completed(cookie):
            if self._handle.poll(ANSWER_MILLISECONDS) == 0:
                raise StorageFailed(reason="the NBD server does not answer")
        self._free.append(slot)
        return Chunk(piece.offset, slot.content(piece.length))


@contextmanager
def connect(uri: str) -> Iterator[Reader]:
    """A connection to the server of an NBD URI.

    Raises:
        StorageFailed: there is none.
    """
    handle = nbd.NBD()
    with _failures():
        handle.add_meta_context(ALLOCATION_CONTEXT)
        handle.connect_uri(uri)
    disk = Reader(handle)
    try:
        yield disk
    finally:
        with suppress(nbd.Error):
            handle.shutdown(nbd.SHUTDOWN_ABANDON_PENDING)
        disk.release()


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except nbd.Error as error:
        raise StorageFailed(reason=f"reading the disk: {error}") from error
