"""Disks of many shapes: where they hold data, and the same data whenever it is asked for."""

import random
from collections.abc import Iterator

from souche.formats.extents import CLUSTER_BYTES, Allocation, Chunk, pieces

MIB = 1024 * 1024
KIB = 1024
SHAPES: dict[str, tuple[int, list[tuple[int, int]]]] = {
    "empty": (10 * MIB, []),
    "full": (3 * MIB, [(0, 3 * MIB)]),
    "one byte at either end": (2 * MIB, [(0, 1), (2 * MIB - 1, 1)]),
    "not whole clusters": (MIB + 512, [(MIB, 512)]),
    "less than a cluster": (512, [(0, 512)]),
    "across two L2 tables": (600 * MIB, [(511 * MIB, 2 * MIB)]),
    "far apart": (1600 * MIB, [(0, 512), (1100 * MIB + 4096, 100 * KIB), (1600 * MIB - 512, 512)]),
    "parts of one cluster": (MIB, [(0, 512), (1024, 512), (65536, 512)]),
}


def allocated(size_bytes: int, parts: list[tuple[int, int]]) -> Allocation:
    allocation = Allocation(size_bytes)
    for offset, length in parts:
        allocation.add(offset, length)
    return allocation


def chunks(allocation: Allocation, most_bytes: int = 300_000) -> Iterator[Chunk]:
    """The same bytes in every read, with chunks of any size."""
    for offset, length in pieces(allocation, most_bytes):
        clusters = range(offset // CLUSTER_BYTES, -(-(offset + length) // CLUSTER_BYTES))
        data = b"".join(random.Random(cluster).randbytes(CLUSTER_BYTES) for cluster in clusters)
        start = offset % CLUSTER_BYTES
        yield Chunk(offset, data[start : start + length])
