"""A qcow2 file written front to back, in one pass: every table is worked out before the first byte of data.

Source: QEMU, docs/interop/qcow2. Version 3, clusters of 64 KiB, refcounts of 16 bits, no header extension, no
feature bit, no backing file. In the file's order, each part in whole clusters:

    header | refcount table | refcount blocks | L1 table | L2 tables | data

Every cluster of the file is in use once. A cluster of the disk without data has no entry, and reads as zeros.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from souche.formats.extents import CLUSTER_BYTES, Allocation, Bytes, Chunk

CLUSTER_BITS: Final = 16
ENTRIES: Final = CLUSTER_BYTES // 8
"""in one cluster of an L1 table, an L2 table or a refcount table"""
REFCOUNTS: Final = CLUSTER_BYTES // 2
"""in one refcount block"""
REFCOUNT_ORDER: Final = 4
HEADER: Final = struct.Struct(">4sIQIIQIIQQIIQQQQII")
COPIED: Final = 1 << 63
"""The flag of a cluster whose refcount is exactly one."""


@dataclass(frozen=True)
class Layout:
    """How many clusters each part of the file has. `l2_indexes` are the L1 entries that have an L2 table."""

    l1_entries: int
    l2_indexes: tuple[int, ...]
    data_clusters: int
    refcount_blocks: int

    @property
    def refcount_table_clusters(self) -> int:
        return _quotient(self.refcount_blocks, ENTRIES)

    @property
    def first_refcount_block(self) -> int:
        return 1 + self.refcount_table_clusters

    @property
    def l1_cluster(self) -> int:
        return self.first_refcount_block + self.refcount_blocks

    @property
    def first_l2(self) -> int:
        return self.l1_cluster + _quotient(self.l1_entries, ENTRIES)

    @property
    def first_data(self) -> int:
        return self.first_l2 + len(self.l2_indexes)

    @property
    def clusters(self) -> int:
        return self.first_data + self.data_clusters

    @property
    def file_bytes(self) -> int:
        return self.clusters * CLUSTER_BYTES


def layout(allocation: Allocation) -> Layout:
    """The layout of the file of a disk with this allocation."""
    l1_entries = max(1, _quotient(allocation.size_bytes, CLUSTER_BYTES * ENTRIES))
    l2_indexes = tuple(_l2_indexes(allocation))
    blocks = 1
    while True:
        plan = Layout(l1_entries, l2_indexes, allocation.clusters, blocks)
        if plan.clusters <= blocks * REFCOUNTS:
            return plan
        blocks = _quotient(plan.clusters, REFCOUNTS)


def qcow2_stream(allocation: Allocation, chunks: Iterable[Chunk]) -> Iterator[Bytes]:
    """The file, in pieces. `chunks` are the bytes of the allocation's runs, complete and in order.

    Raises:
        ValueError: `chunks` do not match the allocation; the yielded pieces are useless.
    """
    yield from metadata(allocation)
    written = 0
    for chunk in chunks:
        yield chunk.data
        written += len(chunk.data)
    if written != allocation.data_bytes:
        raise ValueError(f"{written} bytes of data were given for {allocation.data_bytes}")
    if written % CLUSTER_BYTES:
        yield bytes(CLUSTER_BYTES - written % CLUSTER_BYTES)


def metadata(allocation: Allocation) -> Iterator[bytes]:
    """The header and the tables, in whole clusters: everything before the data."""
    plan = layout(allocation)
    yield _padded(header(allocation.size_bytes, plan))
    yield _padded(_table(range(plan.first_refcount_block, plan.l1_cluster)))
    for block in range(plan.refcount_blocks):
        used = min(REFCOUNTS, plan.clusters - block * REFCOUNTS)
        yield _padded(b"\x00\x01" * used)
    yield _padded(_l1(plan))
    for table in _l2_tables(allocation, plan.first_data):
        yield _big_endian(table)


def header(
    size_bytes: int, plan: Layout, *, backing_name_offset: int = 0, backing_name_bytes: int = 0
) -> bytes:
    """The header alone; 0 and 0: there is no backing file."""
    fields = (
        *(b"QFI\xfb", 3, backing_name_offset, backing_name_bytes, CLUSTER_BITS, size_bytes, 0),
        *(plan.l1_entries, plan.l1_cluster * CLUSTER_BYTES),
        *(CLUSTER_BYTES, plan.refcount_table_clusters),
        *(0, 0),  # no internal snapshots
        *(0, 0, 0),  # no features: incompatible, compatible, autoclear
        *(REFCOUNT_ORDER, HEADER.size),
    )
    return HEADER.pack(*fields)


def _l1(plan: Layout) -> bytes:
    table = array("Q", bytes(8 * plan.l1_entries))
    for number, index in enumerate(plan.l2_indexes, start=plan.first_l2):
        table[index] = number * CLUSTER_BYTES | COPIED
    return _big_endian(table)


def _l2_indexes(allocation: Allocation) -> Iterator[int]:
    last = -1
    for first, end in allocation.cluster_runs():
        for index in range(max(last + 1, first // ENTRIES), (end - 1) // ENTRIES + 1):
            yield index
            last = index


def _l2_tables(allocation: Allocation, first_data: int) -> Iterator["array[int]"]:
    """One table for each of `l2_indexes`, each made when it is needed."""
    index, table, place = None, array("Q"), first_data
    for first, end in allocation.cluster_runs():
        while first < end:
            if first // ENTRIES != index:
                if index is not None:
                    yield table
                index, table = first // ENTRIES, array("Q", bytes(CLUSTER_BYTES))
            stop = min(end, (index + 1) * ENTRIES)
            entry = first % ENTRIES
            table[entry : entry + stop - first] = _entries(place, stop - first)
            place += stop - first
            first = stop
    if index is not None:
        yield table


def _entries(place: int, count: int) -> "array[int]":
    """The L2 entries of clusters that follow one another in the file."""
    start = place * CLUSTER_BYTES | COPIED
    return array("Q", range(start, start + count * CLUSTER_BYTES, CLUSTER_BYTES))


def _table(clusters: range) -> bytes:
    return _big_endian(array("Q", (cluster * CLUSTER_BYTES for cluster in clusters)))


def _big_endian(table: "array[int]") -> bytes:
    if sys.byteorder == "little":
        table.byteswap()
    return table.tobytes()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % CLUSTER_BYTES)


def _quotient(dividend: int, divisor: int) -> int:
    """Rounded up."""
    return -(-dividend // divisor)
