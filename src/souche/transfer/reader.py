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


class _Request(NamedTuple):
    offset: int
    data: bytearray
    buffer: nbd.Buffer
    cookie: int


class Reader:
    """One connection to a disk."""

    def __init__(self, handle: nbd.NBD) -> None:
        self._handle = handle
        self._pending: deque[_Request] = deque()  # libnbd writes into their buffers as long as it lives
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
        pending = self._pending
        with _failures():
            for piece in pieces(allocation, CHUNK_BYTES):
                pending.append(self._ask(piece))
                if len(pending) == IN_FLIGHT:
                    yield self._answer(pending.popleft())
            while pending:
                yield self._answer(pending.popleft())

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

    def _ask(self, piece: Extent) -> _Request:
        data = bytearray(piece.length)
        buffer = nbd.Buffer.from_buffer(data)
        return _Request(piece.offset, data, buffer, self._handle.aio_pread(buffer, piece.offset))

    def _answer(self, request: _Request) -> Chunk:
        while not self._handle.aio_command_completed(request.cookie):
            if self._handle.poll(ANSWER_MILLISECONDS) == 0:
                raise StorageFailed(reason="the NBD server does not answer")
        return Chunk(request.offset, request.data)


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
    try:
        yield Reader(handle)
    finally:
        with suppress(nbd.Error):
            handle.shutdown(nbd.SHUTDOWN_ABANDON_PENDING)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except nbd.Error as error:
        raise StorageFailed(reason=f"reading the disk: {error}") from error
