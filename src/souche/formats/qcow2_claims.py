"""How much of its own file the tables of a qcow2 disk reference, and where the last reference ends.

In a disk without internal snapshots every cluster is referenced once (docs/interop/qcow2, "Cluster mapping"), so all
references together fit into the file. If entries reference one cluster repeatedly, with matching refcounts, `qemu-img
check` finds no fault, but a copy of the disk can have any size.

Only the tables are read, each once. Reading stops as soon as they reference more than the file has.
"""

import sys
from array import array
from collections.abc import Iterator
from typing import BinaryIO, Final

from souche.formats.qcow2 import Qcow2Header, read_header

OFFSET: Final = 0x00FF_FFFF_FFFF_FE00
COMPRESSED: Final = 1 << 62
ZEROS: Final = 1
NOT_DATA: Final = COMPRESSED | ZEROS
SECTOR_BYTES: Final = 512
SUBCLUSTERS: Final = 32
"""per cluster, with extended L2 entries: each has a bit in the second word ("Extended L2 Entries")"""
ALLOCATED: Final = (1 << SUBCLUSTERS) - 1
EXTENDED_ENTRY_BYTES: Final = 16


def names_more_than(image: BinaryIO, most_bytes: int) -> bool:
    """Whether the tables of an open disk, which has passed the inspection, name more than `most_bytes` of its file."""
    header, named_bytes = read_header(image), 0
    for claim in _claims(image, header):
        named_bytes += claim
        if named_bytes > most_bytes:
            return True
    return False


def data_end(image: BinaryIO) -> int:
    """The end of the last cluster that the tables of an open disk reference, in bytes: QEMU reads missing bytes as
    zeros. Compressed clusters are not checked: a truncated one cannot be read. The disk's last cluster may be
    shorter."""
    header, end = read_header(image), 0
    entries = header.cluster_bytes // 8
    last = (header.virtual_size_bytes - 1) // header.cluster_bytes
    for index, entry in enumerate(_table(image, header.l1_offset, header.l1_entries)):
        if not entry & OFFSET:
            continue
        table = _table(image, entry & OFFSET, entries)
        here = last - index * entries
        highest = max((each & OFFSET for each in table[: max(here, 0)] if not each & NOT_DATA), default=0)
        end = max(end, highest + header.cluster_bytes if highest else 0)
        if 0 <= here < len(table) and table[here] & OFFSET and not table[here] & NOT_DATA:
            end = max(end, (table[here] & OFFSET) + header.virtual_size_bytes - last * header.cluster_bytes)
    return end


def extended_data_end(image: BinaryIO, most_bytes: int) -> int:
    """The same of a disk with extended L2 entries: where its last subcluster ends. More than `most_bytes` as soon as
    its tables alone would take that."""
    header, end, named_bytes = read_header(image), 0, 0
    for index, entry in enumerate(_table(image, header.l1_offset, header.l1_entries)):
        if not entry & OFFSET:
            continue
        named_bytes += header.cluster_bytes
        if named_bytes > most_bytes:
            return named_bytes
        words = _table(image, entry & OFFSET, header.cluster_bytes // 8)
        first = index * (header.cluster_bytes // EXTENDED_ENTRY_BYTES)
        for place, (word, bitmap) in enumerate(zip(words[::2], words[1::2], strict=False), first):
            if word & OFFSET and not word & COMPRESSED and bitmap & ALLOCATED:
                left = header.virtual_size_bytes - place * header.cluster_bytes
                end = max(end, (word & OFFSET) + min(_subclusters_end(header, bitmap), left))
    return end


def _subclusters_end(header: Qcow2Header, bitmap: int) -> int:
    """Where in its cluster the last subcluster ends that has data."""
    return (bitmap & ALLOCATED).bit_length() * header.cluster_bytes // SUBCLUSTERS


def _claims(image: BinaryIO, header: Qcow2Header) -> Iterator[int]:
    """The lengths of all that is named, tables included, in bytes."""
    for entry in _table(image, header.l1_offset, header.l1_entries):
        if offset := entry & OFFSET:
            yield header.cluster_bytes
            entries = _table(image, offset, header.cluster_bytes // 8)
            if any(entries):
                yield sum(_length(each, header.cluster_bytes) for each in entries if each)


def _table(image: BinaryIO, offset: int, entries: int) -> "array[int]":
    """Big-endian words; of a truncated table, those that exist."""
    image.seek(offset)
    data = image.read(entries * 8)
    table = array("Q", data[: len(data) // 8 * 8])
    if sys.byteorder == "little":
        table.byteswap()
    return table


def _length(entry: int, cluster_bytes: int) -> int:
    """How much an L2 entry names: a cluster, or the least that a compressed one can have ("Compressed Clusters
    Descriptor": it ends somewhere in the last of its sectors)."""
    if not entry & COMPRESSED:
        return cluster_bytes if entry & OFFSET else 0
    bits = 62 - (cluster_bytes.bit_length() - 1 - 8)
    sectors = (entry & (COMPRESSED - 1)) >> bits
    return max(1, sectors * SECTOR_BYTES - entry % SECTOR_BYTES + 1)
