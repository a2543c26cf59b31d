"""A raw disk as a stream of bytes: holes become zeros."""

from collections.abc import Iterable, Iterator
from typing import Final

from souche.formats.extents import Bytes, Chunk

ZEROS: Final = bytes(1024 * 1024)


def raw_stream(size_bytes: int, chunks: Iterable[Chunk]) -> Iterator[Bytes]:
    """All the bytes of a disk, in pieces of bounded size. `chunks` come in ascending order."""
    position = 0
    for offset, data in chunks:
        yield from zeros(offset - position)
        yield data
        position = offset + len(data)
    yield from zeros(size_bytes - position)


def zeros(count: int) -> Iterator[Bytes]:
    """`count` zeros, without allocating them."""
    for _ in range(count // len(ZEROS)):
        yield ZEROS
    if count % len(ZEROS):
        yield memoryview(ZEROS)[: count % len(ZEROS)]
