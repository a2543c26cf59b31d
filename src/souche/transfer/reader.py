"""Reads the data of a disk over NBD, without its holes, with several requests in flight."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from souche import nbd_client
from souche.errors import StorageFailed
from souche.formats.extents import Allocation, Chunk, Extent, pieces

STATUS_BYTES: Final = 1024 * 1024 * 1024
"""in one request; servers count in 32 bits"""
CHUNK_BYTES: Final = 1024 * 1024
IN_FLIGHT: Final = 8


class _Request(NamedTuple):
    piece: Extent
    cookie: int


class Reader:
    """One connection to a disk."""

    def __init__(self, client: nbd_client.Client) -> None:
        self._client = client
        self._pending: deque[_Request] = deque()
        self.size_bytes = client.size

    def allocation(self) -> Allocation:
        """The parts of the disk with data; the whole disk if the server does not report them.

        Raises:
            StorageFailed: the server failed.
        """
        allocation = Allocation(self.size_bytes)
        with _failures():
            if not self._client.tells_allocation:
                allocation.add(0, self.size_bytes)
                return allocation
            offset = 0
            while offset < self.size_bytes:
                offset = self._add_status(allocation, offset)
        return allocation

    def chunks(self, allocation: Allocation) -> Iterator[Chunk]:
        """The bytes of the allocation in order, in chunks of at most 1 MiB.

        Raises:
            StorageFailed: the server failed, or did not answer for a minute.
        """
        with _failures():
            for piece in pieces(allocation, CHUNK_BYTES):
                if len(self._pending) == IN_FLIGHT:
                    yield self._answer()
                self._pending.append(_Request(piece, self._client.ask(piece.offset, piece.length)))
            while self._pending:
                yield self._answer()

    def _add_status(self, allocation: Allocation, offset: int) -> int:
        """Request the block status from `offset` on. Returns the end of the answer."""
        end = offset
        for length, flags in self._client.block_status(offset, min(STATUS_BYTES, self.size_bytes - offset)):
            length = min(length, self.size_bytes - end)
            if not flags & nbd_client.STATE_ZERO:
                allocation.add(end, length)
            end += length
        if end <= offset:
            raise StorageFailed(reason="the NBD server sent no block status")
        return end

    def _answer(self) -> Chunk:
        """The answer of the oldest request."""
        piece, cookie = self._pending.popleft()
        return Chunk(piece.offset, self._client.answer(cookie))


@contextmanager
def connect(uri: str) -> Iterator[Reader]:
    """A connection to the server of an NBD URI.

    Raises:
        StorageFailed: there is none.
    """
    with _failures():
        client = nbd_client.Client.of_uri(uri)
    try:
        yield Reader(client)
    finally:
        client.close()


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFailed(reason=f"reading the disk: {error}") from error
