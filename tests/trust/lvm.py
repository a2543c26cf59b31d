"""A physical volume of LVM with logical volumes, written here: lvm2's own tools take devices only.

The format: https://github.com/libyal/libvslvm, documentation.
"""

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SECTOR: Final = 512
EXTENT: Final = 1 << 20
DATA: Final = 1 << 20
METADATA: Final = 4096
METADATA_BYTES: Final = DATA - METADATA
INITIAL_CRC: Final = 0xF597A6CF
MAGIC: Final = b" LVM2 x[5A%r0N*>"
PV_UUID: Final = "PPPPPP-PPPP-PPPP-PPPP-PPPP-PPPP-PPPPPP"


def physical_volume(path: Path, volumes: Mapping[str, Path]) -> Path:
    """A physical volume of the group `vg`, with a logical volume of each file's content."""
    extents = {name: -(-each.stat().st_size // EXTENT) for name, each in volumes.items()}
    size = DATA + sum(extents.values()) * EXTENT
    text = _metadata(extents, size).encode() + b"\0"
    with path.open("wb") as image:
        image.truncate(size)
        image.seek(SECTOR)
        image.write(_label(size))
        image.seek(METADATA)
        image.write(_area(text))
        image.write(text)
        at = DATA
        for name, each in volumes.items():
            image.seek(at)
            image.write(each.read_bytes())
            at += extents[name] * EXTENT
    return path


def _crc(data: bytes) -> int:
    """LVM's CRC-32: that of zlib, with another beginning and no inversion."""
    return zlib.crc32(data, INITIAL_CRC ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def _label(size: int) -> bytes:
    areas = struct.pack("<QQQQ", DATA, 0, 0, 0) + struct.pack("<QQQQ", METADATA, METADATA_BYTES, 0, 0)
    volume = PV_UUID.replace("-", "").encode() + struct.pack("<Q", size) + areas
    checked = (struct.pack("<I8s", 32, b"LVM2 001") + volume).ljust(SECTOR - 20, b"\0")
    return struct.pack("<8sQI", b"LABELONE", 1, _crc(checked)) + checked


def _area(text: bytes) -> bytes:
    place = struct.pack("<QQII", SECTOR, len(text), _crc(text), 0)
    checked = (MAGIC + struct.pack("<IQQ", 1, METADATA, METADATA_BYTES) + place).ljust(SECTOR - 4, b"\0")
    return struct.pack("<I", _crc(checked)) + checked


def _metadata(extents: Mapping[str, int], size: int) -> str:
    start, volumes = 0, ""
    for number, (name, count) in enumerate(extents.items()):
        segment = (
            f'segment1 {{\nstart_extent = 0\nextent_count = {count}\ntype = "striped"\nstripe_count = 1\n'
            f'stripes = [\n"pv0", {start}\n]\n}}\n'
        )
        volumes += (
            f'{name} {{\nid = "LLLLLL-LLLL-LLLL-LLLL-LLLL-LLLL-LLLLL{number}"\nstatus = ["READ", "WRITE", "VISIBLE"]\n'
            f"flags = []\nsegment_count = 1\n{segment}}}\n"
        )
        start += count
    physical = (
        f'pv0 {{\nid = "{PV_UUID}"\ndevice = "/dev/sda1"\nstatus = ["ALLOCATABLE"]\nflags = []\n'
        f"dev_size = {size // SECTOR}\npe_start = {DATA // SECTOR}\npe_count = {start}\n}}\n"
    )
    group = (
        'id = "VVVVVV-VVVV-VVVV-VVVV-VVVV-VVVV-VVVVVV"\nseqno = 1\nformat = "lvm2"\n'
        'status = ["RESIZEABLE", "READ", "WRITE"]\nflags = []\n'
        f"extent_size = {EXTENT // SECTOR}\nmax_lv = 0\nmax_pv = 0\nmetadata_copies = 0\n"
    )
    head = 'contents = "Text Format Volume Group"\nversion = 1\ndescription = ""\n'
    head += 'creation_host = "h"\ncreation_time = 1\n'
    return f"vg {{\n{group}physical_volumes {{\n{physical}}}\nlogical_volumes {{\n{volumes}}}\n}}\n{head}"
