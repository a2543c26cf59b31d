"""The header of a qcow2 file, versions 2 and 3.

Source: QEMU, docs/interop/qcow2 ("Header", "Header extensions"). All integers are big-endian.
"""

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import BinaryIO, Final

MAGIC: Final = b"QFI\xfb"
READ_BYTES: Final = 64 * 1024
"""Contains the header, its extensions and the backing file's name (at most 1023 bytes, in the first cluster) of every
image with the default cluster size."""
MAX_BACKING_NAME_BYTES: Final = 1023

VERSION_2: Final = struct.Struct(">4sIQIIQIIQQIIQ")
VERSION_3: Final = struct.Struct(">QQQII")
EXTENSION: Final = struct.Struct(">II")
EXTENSION_END: Final = 0
EXTENSION_BACKING_FORMAT: Final = 0xE2792ACA


class IncompatibleFeature(IntFlag):
    """Features without which an image must not be opened."""

    DIRTY = 1
    CORRUPT = 2
    EXTERNAL_DATA_FILE = 4
    COMPRESSION_TYPE = 8
    EXTENDED_L2 = 16


@dataclass(frozen=True)
class Qcow2Header:
    """`incompatible_features` keeps unknown bits; a version 2 image has none. The L1 table has `l1_entries` of 8 bytes
    each, from `l1_offset` on; an entry of 0 maps nothing."""

    version: int
    virtual_size_bytes: int
    cluster_bytes: int
    backing_file: str | None
    backing_format: str | None
    incompatible_features: IncompatibleFeature
    l1_entries: int
    l1_offset: int
    internal_snapshots: int
    encrypted: bool


def read_header(image: BinaryIO) -> Qcow2Header:
    """Read the header at the start of an open image.

    Raises:
        ValueError: this is not the beginning of a well-formed qcow2 image.
    """
    image.seek(0)
    return parse_header(image.read(READ_BYTES))


def parse_header(data: bytes) -> Qcow2Header:
    """Parse the first bytes of an image (`READ_BYTES` of them, or all that there are).

    Raises:
        ValueError: this is not the beginning of a well-formed qcow2 image.
    """
    if len(data) < VERSION_2.size or not data.startswith(MAGIC):
        raise ValueError("not a qcow2 image")
    fields = VERSION_2.unpack_from(data)
    _, version, name_offset, name_bytes, cluster_bits, size, encryption, l1_entries, l1_offset = fields[:9]
    if version not in (2, 3):
        raise ValueError(f"qcow2 version {version} is unknown")
    if not 9 <= cluster_bits <= 21:
        raise ValueError(f"qcow2 cluster bits {cluster_bits} are outside 9..21")
    features, header_bytes = _version_3_fields(data) if version == 3 else (0, VERSION_2.size)
    return Qcow2Header(
        version=version,
        virtual_size_bytes=size,
        cluster_bytes=1 << cluster_bits,
        backing_file=_backing_name(data, name_offset, name_bytes),
        backing_format=_extension(data, header_bytes, EXTENSION_BACKING_FORMAT),
        incompatible_features=IncompatibleFeature(features),
        l1_entries=l1_entries,
        l1_offset=l1_offset,
        internal_snapshots=fields[11],
        encrypted=encryption != 0,
    )


def _version_3_fields(data: bytes) -> tuple[int, int]:
    """The incompatible features and the header's length."""
    if len(data) < VERSION_2.size + VERSION_3.size:
        raise ValueError("qcow2 header is cut short")
    features, _, _, _, header_bytes = VERSION_3.unpack_from(data, VERSION_2.size)
    if header_bytes < VERSION_2.size + VERSION_3.size or header_bytes % 8:
        raise ValueError(f"qcow2 header length {header_bytes} is not valid")
    return features, header_bytes


def _backing_name(data: bytes, offset: int, length: int) -> str | None:
    if offset == 0:
        return None
    if length > MAX_BACKING_NAME_BYTES or offset + length > len(data):
        raise ValueError("qcow2 backing file name is out of bounds")
    return _text(data[offset : offset + length])


def _extension(data: bytes, offset: int, wanted: int) -> str | None:
    """The text of the first header extension of a type, walking from `offset` to the end marker."""
    while offset + EXTENSION.size <= len(data):
        kind, length = EXTENSION.unpack_from(data, offset)
        offset += EXTENSION.size
        if kind == EXTENSION_END:
            return None
        if kind == wanted:
            return _text(data[offset : offset + length])
        offset += (length + 7) & ~7
    raise ValueError("qcow2 header extensions have no end")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError("a name in the qcow2 header is not UTF-8") from error
