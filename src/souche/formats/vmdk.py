"""Self-contained VMDK files: `monolithicSparse` and `streamOptimized` (VMware, "Virtual Disk Format 5.0").

A VMDK names its data in a text, the descriptor, and QEMU would open any file named there. So the descriptor must name
one extent, this file, and no parent. Little-endian; lengths are in sectors.
"""

import re
import struct
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO, Final

from souche.formats.read_at import read_at

MAGIC: Final = b"KDMV"
SECTOR_BYTES: Final = 512
HEADER: Final = struct.Struct("<4sIIQQQQIQQQB4sH")
"""Magic, version, flags, capacity, grain, descriptor (offset, length), entries of a table, redundant directory,
directory, overhead, unclean, line ends, compression."""
AT_END: Final = 0xFFFFFFFFFFFFFFFF
FOOTER_BYTES: Final = 3 * SECTOR_BYTES
"""A marker, the header once more, and the end of the stream."""
FOOTER_MARKER: Final = 3
MARKER: Final = struct.Struct("<QII")
COMPRESSED: Final = 1 << 16
GRAIN_HEAD: Final = struct.Struct("<QI")
"""Precedes a compressed grain: its position on the disk, and its length in bytes."""
MOST_DESCRIPTOR_BYTES: Final = 64 * 1024
QEMUS_DESCRIPTOR: Final = (1, 20)
"""Where QEMU looks for a parent, regardless of the header."""
MOST_TABLES: Final = 1 << 20
ENTRIES: Final = 512
ZERO_GRAIN: Final = 1
"""The entry of a grain of zeros, which is not in the file."""
TYPES: Final = ("monolithicsparse", "streamoptimized")
EXTENT: Final = re.compile(r"(?:RW|RDONLY|NOACCESS)\s+\d+\s+(\w+)\s", re.IGNORECASE)
VALUE: Final = re.compile(r'(\w+)\s*=\s*"?([^"]*)"?')
PARENT_CID: Final = re.compile(r'parentcid\s*=\s*"?(\w*)')
PARENT_NAME: Final = "parentfilenamehint"
NO_PARENT: Final = "ffffffff"
EMPTY_TABLE: Final = bytes(4 * ENTRIES)


class BadVmdk(ValueError):
    """Why a file cannot be accepted, in its text."""


@dataclass(frozen=True)
class VmdkHeader:
    """Where things are, in sectors. `compressed`: each grain is by itself."""

    capacity: int
    grain: int
    descriptor_offset: int
    descriptor_length: int
    directory: int
    compressed: bool

    @property
    def size_bytes(self) -> int:
        return self.capacity * SECTOR_BYTES


def read_header(image: BinaryIO, file_bytes: int) -> VmdkHeader:
    """The header of an open file, or the one at its end, if the first header refers to it.

    Raises:
        BadVmdk: it is truncated, or has no header of a known kind.
    """
    header = _parse(read_at(image, 0, SECTOR_BYTES))
    if header.directory != AT_END:
        return header
    footer = read_at(image, file_bytes - FOOTER_BYTES, FOOTER_BYTES)
    if len(footer) < FOOTER_BYTES or MARKER.unpack_from(footer)[2] != FOOTER_MARKER:
        raise BadVmdk("it is cut short: the footer at its end is missing")
    last = _parse(footer[SECTOR_BYTES : 2 * SECTOR_BYTES])
    if last.directory == AT_END or (last.capacity, last.grain) != (header.capacity, header.grain):
        raise BadVmdk("its footer contradicts its header")
    return last


def _parse(data: bytes) -> VmdkHeader:
    if len(data) < HEADER.size or not data.startswith(MAGIC):
        raise BadVmdk("it has no header")
    fields = HEADER.unpack_from(data)
    _, version, flags, capacity, grain, offset, length, entries, _, directory = fields[:10]
    if version not in (1, 2, 3) or entries != ENTRIES or not 1 <= grain <= 2048 or grain & (grain - 1):
        raise BadVmdk("its header is not valid")
    if capacity == 0 or offset == 0:
        raise BadVmdk("it is one part of a disk in several files")
    return VmdkHeader(capacity, grain, offset, length, directory, bool(flags & COMPRESSED))


def check_alone(image: BinaryIO, header: VmdkHeader) -> None:
    """Refuse an open file that refers to another file. QEMU looks for a parent anywhere in the text, in other values
    too.

    Raises:
        BadVmdk: it does, or does not state it.
    """
    text = _text(image, header.descriptor_offset, header.descriptor_length)
    lines = [line.strip() for line in text.splitlines()]
    values = {found[1].lower(): found[2].lower() for line in lines if (found := VALUE.match(line))}
    if not values:
        raise BadVmdk("it is one part of a disk in several files")
    if _has_parent(text) or _has_parent(_text(image, *QEMUS_DESCRIPTOR)):
        raise BadVmdk("it has a parent")
    kind = values.get("createtype", "")
    if kind not in TYPES:
        raise BadVmdk(f"its type is '{kind[:32]}' instead of monolithicSparse or streamOptimized")
    extents = [found[1].upper() for line in lines if (found := EXTENT.match(line))]
    if extents != ["SPARSE"]:
        raise BadVmdk("its data are in other files")


def _text(image: BinaryIO, offset: int, length: int) -> str:
    """A descriptor; offset and length in sectors."""
    data = read_at(image, offset * SECTOR_BYTES, min(length * SECTOR_BYTES, MOST_DESCRIPTOR_BYTES))
    return data.partition(b"\0")[0].decode("latin-1")


def _has_parent(text: str) -> bool:
    return PARENT_NAME in text.lower() or bool(set(PARENT_CID.findall(text.lower())) - {NO_PARENT})


@dataclass(frozen=True)
class VmdkData:
    """The data that the tables reference, in bytes: the end of the last grain, and the length of all grains together,
    each as often as it is referenced (a compressed one has at least a sector)."""

    end: int
    named: int


def data(image: BinaryIO, header: VmdkHeader) -> VmdkData:
    """The data that the tables of an open file reference.

    Raises:
        BadVmdk: its tables are truncated or invalid.
    """
    grains = -(-header.capacity // header.grain)
    tables = -(-grains // ENTRIES)
    if tables > MOST_TABLES:
        raise BadVmdk(f"it has {tables} tables")
    last = named = 0
    directory = Counter(
        _words(image, header.directory, tables)
    )  # a small file can name the same table a million times
    for table in sorted(directory.keys() - {0}):
        last_here, grains_here = _grains(_table(image, table, ENTRIES))
        last, named = max(last, last_here), named + directory[table] * grains_here
    named_bytes = named * (1 if header.compressed else header.grain) * SECTOR_BYTES
    return VmdkData(_end(image, header, last), named_bytes)


def _end(image: BinaryIO, header: VmdkHeader, last: int) -> int:
    if last <= ZERO_GRAIN:
        return 0
    if not header.compressed:
        return (last + header.grain) * SECTOR_BYTES
    head = read_at(image, last * SECTOR_BYTES, GRAIN_HEAD.size)
    if len(head) < GRAIN_HEAD.size:
        raise BadVmdk("it is cut short")
    return last * SECTOR_BYTES + GRAIN_HEAD.size + int(GRAIN_HEAD.unpack(head)[1])


def _grains(table: bytes) -> tuple[int, int]:
    """The last grain that a table names, and how many."""
    if table == EMPTY_TABLE:
        return 0, 0
    entries = array("I", table)
    return max(entries), len(entries) - entries.count(0) - entries.count(ZERO_GRAIN)


def _words(image: BinaryIO, sector: int, number: int) -> "array[int]":
    return array("I", _table(image, sector, number))


def _table(image: BinaryIO, sector: int, number: int) -> bytes:
    data = read_at(image, sector * SECTOR_BYTES, number * 4)
    if len(data) < number * 4:
        raise BadVmdk("it is cut short: its tables are missing")
    return data
