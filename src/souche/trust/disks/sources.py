"""Sources of bytes: a disk over NBD, a part of another source, a cache."""

from collections import OrderedDict
from typing import Final, Protocol

from souche import nbd_client

BLOCK_BYTES: Final = 64 * 1024
CACHED_BLOCKS: Final = 256
"""16 MiB for each file system."""


class Source(Protocol):
    """A source of `size` bytes. Reading beyond its end returns fewer bytes."""

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on.

        Raises:
            OSError: they cannot be read.
        """
        ...


class NbdSource:
    """A disk that an NBD server serves on a Unix socket. Never written to."""

    def __init__(self, socket: str) -> None:
        self._client = nbd_client.Client(socket)

    @property
    def size(self) -> int:
        return self._client.size

    def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        most = self._client.most_bytes
        return b"".join(self._client.read(at, min(most, end - at)) for at in range(offset, end, most))


class Slice:
    """A part of another source: a partition."""

    def __init__(self, source: Source, offset: int, size: int) -> None:
        self._source = source
        self._offset = offset
        self._size = max(0, min(size, source.size - offset))

    @property
    def size(self) -> int:
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        length = min(length, self._size - offset)
        return self._source.read(self._offset + offset, length) if offset >= 0 and length > 0 else b""


class Cached:
    """A source with a cache of its most recently used blocks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        return self._source.size

    def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        if offset < 0 or end <= offset:
            return b""
        first, last = offset // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        if last - first >= CACHED_BLOCKS // 4:
            return self._source.read(offset, end - offset)
        joined = b"".join(map(self._block, range(first, last + 1)))
        begin = offset - first * BLOCK_BYTES
        return joined[begin : begin + end - offset]

    def _block(self, number: int) -> bytes:
        block = self._blocks.get(number)
        if block is None:
            block = self._source.read(number * BLOCK_BYTES, BLOCK_BYTES)
            self._blocks[number] = block
            if len(self._blocks) > CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(number)
        return block


class SourceFile:
    """A source as a file object, for libraries."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def read(self, length: int = -1) -> bytes:
        """The next bytes."""
        length = self._source.size - self._position if length < 0 else length
        data = self._source.read(self._position, length)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position (as in `io`)."""
        start = {0: 0, 1: self._position, 2: self._source.size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def get_size(self) -> int:
        """The size in bytes."""
        return self._source.size
