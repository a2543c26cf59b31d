"""VHD files, fixed and dynamic (Microsoft, "Virtual Hard Disk Image Format Specification", 1.0). Big-endian."""

import struct
from array import array
from dataclasses import dataclass
from typing import BinaryIO, Final

from souche.formats.read_at import read_at

COOKIE: Final = b"conectix"
FOOTER_BYTES: Final = 512
FOOTER: Final = struct.Struct(">8sIIQI4sI4sQQIII")
"""Cookie, features, version, data offset, time, creator (three), original size, size, geometry, type, checksum."""
FIXED: Final = 2
DYNAMIC: Final = 3
DIFFERENCING: Final = 4
SPARSE_COOKIE: Final = b"cxsparse"
SPARSE: Final = struct.Struct(">8sQQIII")
"""Cookie, data offset, table offset, version, table entries, block size."""
SPARSE_BYTES: Final = 1024
UNUSED: Final = 0xFFFFFFFF
SECTOR_BYTES: Final = 512
MOST_ENTRIES: Final = 1 << 20
"""in a table: the format's maximum of 2 TiB, in blocks of 2 MiB"""


@dataclass(frozen=True)
class VhdFooter:
    """The fields of the footer. `data_offset` is the position of a dynamic disk's header."""

    size_bytes: int
    disk_type: int
    data_offset: int


def parse_footer(data: bytes) -> VhdFooter | None:
    """The footer in 512 bytes; None: they are none."""
    if len(data) != FOOTER_BYTES or not data.startswith(COOKIE):
        return None
    fields = FOOTER.unpack_from(data)
    if fields[12] != ~(sum(data) - sum(data[64:68])) & 0xFFFFFFFF:
        return None
    return VhdFooter(fields[9], fields[11], fields[3])


def read_footer(image: BinaryIO, file_bytes: int) -> VhdFooter | None:
    """The footer at the end of an open file."""
    return parse_footer(read_at(image, file_bytes - FOOTER_BYTES, FOOTER_BYTES))


@dataclass(frozen=True)
class VhdData:
    """The data that the table references, in bytes: the end of the last block, and the length of all blocks together,
    each as often as it is referenced."""

    end: int
    named: int


def data(image: BinaryIO, footer: VhdFooter) -> VhdData:
    """The data that the table of an open dynamic disk references.

    Raises:
        ValueError: its header or its table is invalid.
    """
    header = read_at(image, footer.data_offset, SPARSE_BYTES)
    if len(header) < SPARSE_BYTES or not header.startswith(SPARSE_COOKIE):
        raise ValueError("its second header is missing")
    _, _, table_offset, _, entries, block_bytes = SPARSE.unpack_from(header)
    if block_bytes < SECTOR_BYTES or block_bytes & (block_bytes - 1):
        raise ValueError(f"its blocks have {block_bytes} bytes")
    if not -(-footer.size_bytes // block_bytes) <= entries <= MOST_ENTRIES:
        raise ValueError(f"its table has {entries} entries")
    words = read_at(image, table_offset, entries * 4)
    if len(words) < entries * 4:
        raise ValueError("its table is cut short")
    table = array("I", words)
    table.byteswap()
    last: int | None = max((entry for entry in table if entry != UNUSED), default=None)
    if last is None:
        return VhdData(int(table_offset + entries * 4), 0)
    whole_bytes = int(_bitmap_bytes(block_bytes) + block_bytes)
    return VhdData(last * SECTOR_BYTES + whole_bytes, (len(table) - table.count(UNUSED)) * whole_bytes)


def _bitmap_bytes(block_bytes: int) -> int:
    """A bit for each sector of a block, in whole sectors."""
    return -(-block_bytes // SECTOR_BYTES // 8 // SECTOR_BYTES) * SECTOR_BYTES
