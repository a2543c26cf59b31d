"""A qcow2 file that maps nothing: a disk of zeros, or an overlay that reads as its backing file does.

Source: QEMU, docs/interop/qcow2 ("Header", "Header extensions"). The layout is that of `qcow2_stream`. Most of the file
is zeros, so it is given as pieces, with holes between them.
"""

from dataclasses import dataclass
from typing import Final

from souche.formats.extents import CLUSTER_BYTES, Allocation
from souche.formats.qcow2 import EXTENSION, EXTENSION_BACKING_FORMAT, EXTENSION_END, MAX_BACKING_NAME_BYTES
from souche.formats.qcow2_stream import HEADER, header, layout

ALIGNMENT: Final = 8
SECTOR_BYTES: Final = 512


@dataclass(frozen=True)
class EmptyImage:
    """The file's length, and the bytes that are not zero, by offset."""

    file_bytes: int
    pieces: dict[int, bytes]


def empty_image(size_bytes: int, backing: str | None = None) -> EmptyImage:
    """An image of `size_bytes`, a multiple of 512. `backing` is the name of a qcow2 file, kept as it is given.

    Raises:
        ValueError: the size is no multiple of 512, or the name is longer than 1,023 bytes.
    """
    if size_bytes % SECTOR_BYTES:
        raise ValueError(f"{size_bytes} is not a multiple of the sector size")
    plan = layout(Allocation(size_bytes))
    first_block = plan.first_refcount_block * CLUSTER_BYTES
    pieces = {
        0: header(size_bytes, plan) if backing is None else _overlay_header(size_bytes, backing),
        CLUSTER_BYTES: first_block.to_bytes(8),
        first_block: b"\x00\x01" * plan.clusters,
    }
    return EmptyImage(plan.file_bytes, pieces)


def _overlay_header(size_bytes: int, backing: str) -> bytes:
    name = backing.encode()
    if not 0 < len(name) <= MAX_BACKING_NAME_BYTES:
        raise ValueError(f"a backing file name of {len(name)} bytes is not possible")
    extensions = _extension(EXTENSION_BACKING_FORMAT, b"qcow2") + EXTENSION.pack(EXTENSION_END, 0)
    plan, offset = layout(Allocation(size_bytes)), HEADER.size + len(extensions)
    start = header(size_bytes, plan, backing_name_offset=offset, backing_name_bytes=len(name))
    return start + extensions + name


def _extension(kind: int, data: bytes) -> bytes:
    return EXTENSION.pack(kind, len(data)) + data + bytes(-len(data) % ALIGNMENT)
