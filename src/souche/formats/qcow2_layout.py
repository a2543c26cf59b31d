"""Recognises a file written by `qcow2_stream`, whose disk can be read front to back, as a stream.

Nothing is trusted. The tables are parsed into an allocation, the tables of that allocation are generated again, and
they must equal the bytes of the file.
"""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from souche.formats import qcow2
from souche.formats.extents import CLUSTER_BYTES, Allocation, Bytes, Chunk, pieces
from souche.formats.qcow2_stream import ENTRIES, layout, metadata

PIECE_BYTES: Final = 1024 * 1024
MOST_RUNS: Final = 4 * 1024 * 1024
"""64 MiB of memory. Tables that use every second cluster of a large disk would take gigabytes, from a few MiB of
gzip."""


class ForeignLayout(ValueError):
    """The file may be qcow2, but `qcow2_stream` did not write it."""


class Qcow2Disk:
    """The disk in a stream whose tables were read. `chunks` continues the stream, once."""

    def __init__(self, stream: "_Stream", allocation: Allocation) -> None:
        self._stream = stream
        self.allocation = allocation

    def chunks(self) -> Iterator[Chunk]:
        """The allocation's bytes in order, in chunks of at most 1 MiB.

        Raises:
            ForeignLayout: the stream is shorter or longer than its tables say.
        """
        for offset, length in pieces(self.allocation, PIECE_BYTES):
            yield Chunk(offset, self._stream.take(length))
        self._stream.take(-self.allocation.data_bytes % CLUSTER_BYTES)
        self._stream.end()


def read_qcow2(stream: Iterable[Bytes]) -> Qcow2Disk:
    """Read the tables at the beginning of a file, cluster by cluster.

    Raises:
        ForeignLayout: it is another file; an unknown part of the stream was consumed.
    """
    source, taken, expected = _Stream(stream), hashlib.sha256(), hashlib.sha256()
    allocation = _allocation(_clusters(source, taken.update))
    for piece in metadata(allocation):
        expected.update(piece)
    if taken.digest() != expected.digest():
        raise ForeignLayout("the tables do not match its allocation")
    return Qcow2Disk(source, allocation)


def is_of_stream(path: Path, size_bytes: int) -> bool:
    """Whether `qcow2_stream` wrote a file, with a disk of this size. Reads its tables only."""
    with path.open("rb") as file:
        try:
            disk = read_qcow2(iter(lambda: file.read(CLUSTER_BYTES), b""))
        except ForeignLayout:
            return False
    file_bytes = layout(disk.allocation).file_bytes
    return disk.allocation.size_bytes == size_bytes and path.stat().st_size == file_bytes


def _clusters(source: "_Stream", see: Callable[[Bytes], object]) -> Iterator[Bytes]:
    while True:
        cluster = source.take(CLUSTER_BYTES)
        see(cluster)
        yield cluster


def _allocation(clusters: Iterator[Bytes]) -> Allocation:
    """The mapping in the tables, if they are where `layout` puts them; nothing else is checked."""
    try:
        header = qcow2.parse_header(bytes(next(clusters)))
    except ValueError as error:
        raise ForeignLayout(str(error)) from error
    if header.cluster_bytes != CLUSTER_BYTES:
        raise ForeignLayout(f"clusters of {header.cluster_bytes} bytes")
    for _ in range(CLUSTER_BYTES, header.l1_offset, CLUSTER_BYTES):
        next(clusters)
    allocation = Allocation(header.virtual_size_bytes)
    for table in list(_used(clusters, header.l1_entries)):
        for entry in _used(clusters, ENTRIES):
            _add(allocation, table * ENTRIES + entry)
        if allocation.runs > MOST_RUNS:
            raise ForeignLayout("too many runs of data to be kept in memory")
    return allocation


def _used(clusters: Iterator[Bytes], entries: int) -> Iterator[int]:
    """Which of the next table's entries are not zero; a table has whole clusters."""
    for first in range(0, entries, ENTRIES):
        table = array("Q")
        table.frombytes(next(clusters))
        yield from (first + entry for entry, place in enumerate(table) if place)


def _add(allocation: Allocation, cluster: int) -> None:
    offset = cluster * CLUSTER_BYTES
    if offset >= allocation.size_bytes:
        raise ForeignLayout("data beyond the end of the disk")
    allocation.add(offset, CLUSTER_BYTES)


class _Stream:
    """A stream read by counts of bytes."""

    def __init__(self, pieces: Iterable[Bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def take(self, count: int) -> Bytes:
        """The next `count` bytes."""
        if len(self._rest) < count:
            self._gather(count)
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def end(self) -> None:
        """Check that nothing follows."""
        if self._rest or any(len(piece) for piece in self._pieces):
            raise ForeignLayout("more than its tables say")

    def _gather(self, count: int) -> None:
        gathered, have = [self._rest], len(self._rest)
        while have < count:
            piece = next(self._pieces, None)
            if piece is None:
                raise ForeignLayout("less than its tables say")
            gathered.append(memoryview(piece))
            have += len(piece)
        self._rest = memoryview(b"".join(gathered))
