"""The parts of a disk that hold data. The rest reads as zeros.

The unit is a cluster of 64 KiB, QEMU's default for qcow2.
"""

from array import array
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

CLUSTER_BYTES: Final = 64 * 1024

Bytes: TypeAlias = bytes | bytearray | memoryview


class Extent(NamedTuple):
    """A part of a disk, in bytes."""

    offset: int
    length: int


class Chunk(NamedTuple):
    """Bytes of a disk, and their offset."""

    offset: int
    data: Bytes


class Allocation:
    """The clusters of a disk that hold data, as runs; 16 bytes of memory for each run."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._firsts = array("Q")
        self._ends = array("Q")

    def add(self, offset: int, length: int) -> None:
        """Add a part that holds data, widened to whole clusters. Parts come in ascending order."""
        if length <= 0:
            return
        first, end = offset // CLUSTER_BYTES, -(-(offset + length) // CLUSTER_BYTES)
        if self._ends and first <= self._ends[-1]:
            self._ends[-1] = max(end, self._ends[-1])
        else:
            self._firsts.append(first)
            self._ends.append(end)

    def __iter__(self) -> Iterator[Extent]:
        """The runs in ascending order; the last one ends where the disk ends."""
        for first, end in self.cluster_runs():
            offset = first * CLUSTER_BYTES
            yield Extent(offset, min(end * CLUSTER_BYTES, self.size_bytes) - offset)

    def cluster_runs(self) -> Iterator[tuple[int, int]]:
        """The runs as (first cluster, cluster after the last)."""
        return zip(self._firsts, self._ends, strict=True)

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return len(self._firsts)

    @property
    def clusters(self) -> int:
        """The number of clusters that hold data."""
        return sum(self._ends) - sum(self._firsts)

    @property
    def data_bytes(self) -> int:
        """The number of bytes to read."""
        return sum(extent.length for extent in self)


def pieces(allocation: Allocation, most_bytes: int) -> Iterator[Extent]:
    """The runs, cut at the multiples of `most_bytes`."""
    for offset, length in allocation:
        end = offset + length
        while offset < end:
            piece_end = min(end, (offset // most_bytes + 1) * most_bytes)
            yield Extent(offset, piece_end - offset)
            offset = piece_end
