"""The header and tables of a VHDX file (Microsoft, [MS-VHDX]). Little-endian. QEMU checks that its blocks are complete:
it refuses a file that ends before its last block."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final
from uuid import UUID

from souche.formats.read_at import read_at
from souche.room import MIB

MAGIC: Final = b"vhdxfile"
HEADERS: Final = (64 * 1024, 128 * 1024)
HEADER: Final = struct.Struct("<4sIQ16s16s16s")
"""Signature, checksum, sequence number, ids of file and data, id of the log to replay."""
REGIONS: Final = 192 * 1024
REGION: Final = struct.Struct("<16sQII")
METADATA_REGION: Final = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
ITEM: Final = struct.Struct("<16sIIII")
FILE_PARAMETERS: Final = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
DISK_SIZE: Final = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
BLOCKS_REGION: Final = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le
BLOCK_ENTRY_BYTES: Final = 8
PRESENT: Final = bytes(state & 7 == 6 for state in range(256))
"""Whether a block is in the file, indexed by the first byte of its entry in the block allocation table."""
HAS_PARENT: Final = 2
MOST_ENTRIES: Final = 2047
TABLE_BYTES: Final = 64 * 1024


class BadVhdx(ValueError):
    """Why a file cannot be accepted, in its text."""


@dataclass(frozen=True)
class VhdxFacts:
    """`clean`: nothing in its log waits to be written. `named_bytes`: how long all blocks that its table names are
    together, each as often as it is named."""

    size_bytes: int
    block_bytes: int
    named_bytes: int
    has_parent: bool
    clean: bool


def read_facts(image: BinaryIO) -> VhdxFacts:
    """The facts in an open file.

    Raises:
        BadVhdx: it is truncated or invalid.
    """
    try:
        return _facts(image)
    except struct.error as error:
        raise BadVhdx("it is cut short") from error


def _facts(image: BinaryIO) -> VhdxFacts:
    table = dict(_entries(read_at(image, REGIONS, TABLE_BYTES), b"regi", 8, 16, REGION))
    offset = table.get(METADATA_REGION)
    if offset is None:
        raise BadVhdx("its metadata are missing")
    items = dict(_entries(read_at(image, offset, TABLE_BYTES), b"metadata", 10, 32, ITEM))
    if FILE_PARAMETERS not in items or DISK_SIZE not in items:
        raise BadVhdx("its metadata are incomplete")
    block_bytes, bits = struct.unpack("<II", read_at(image, offset + items[FILE_PARAMETERS], 8))
    (size_bytes,) = struct.unpack("<Q", read_at(image, offset + items[DISK_SIZE], 8))
    named_bytes = _blocks(image, table.get(BLOCKS_REGION, 0), size_bytes, block_bytes) * block_bytes
    return VhdxFacts(size_bytes, block_bytes, named_bytes, bool(bits & HAS_PARENT), _is_clean(image))


def _blocks(image: BinaryIO, offset: int, size_bytes: int, block_bytes: int) -> int:
    """The number of entries of the table whose block is in the file."""
    if not offset or block_bytes < MIB:
        raise BadVhdx("its table of blocks is missing")
    left = -(-size_bytes // block_bytes) * BLOCK_ENTRY_BYTES
    named = 0
    while left > 0 and (entries := read_at(image, offset, min(left, MIB))):
        named += entries[::BLOCK_ENTRY_BYTES].translate(PRESENT).count(1)
        offset, left = offset + len(entries), left - len(entries)
    return named


def _entries(
    data: bytes, magic: bytes, count_at: int, first: int, entry: struct.Struct
) -> Iterator[tuple[bytes, int]]:
    """The ids of a table's entries, and their offsets."""
    if not data.startswith(magic):
        raise BadVhdx("one of its tables is missing")
    (count,) = struct.unpack_from("<H", data, count_at)
    for index in range(min(count, MOST_ENTRIES)):
        fields = entry.unpack_from(data, first + index * entry.size)
        yield fields[0], fields[1]


def _is_clean(image: BinaryIO) -> bool:
    headers = [HEADER.unpack(read_at(image, offset, HEADER.size)) for offset in HEADERS]
    current = max(
        (header for header in headers if header[0] == b"head"), key=lambda each: each[2], default=None
    )
    if current is None:
        raise BadVhdx("its headers are missing")
    return not any(current[5])
