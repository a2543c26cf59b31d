"""Tables of VMDK, VHD and VHDX that name the same data again and again: QEMU reads them each time (a VMDK of 33 MiB
that names one grain of zeros for 256 GiB kept a core busy for three minutes)."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from souche import run
from souche.formats.disk_inspection import inspect_file
from souche.formats.disk_refusals import DiskSharesData
from souche.model.disk_imports import SaidOfDisk, SourceFormat
from tests.support.foreign_disks import make

MIB = 1024 * 1024
SIZE = 64 * MIB
VHDX_BLOCKS = bytes.fromhex("6677c22d23f600429d64115e9bfd4a08")
Sharing = Callable[[bytearray], None]


def fill(data: bytearray, offset: int, layout: str, entries: int) -> None:
    """Have all entries of a table say what the first says."""
    (first,) = struct.unpack_from(layout, data, offset)
    assert first not in (0, 0xFFFFFFFF)
    for index in range(entries):
        struct.pack_into(layout, data, offset + index * struct.calcsize(layout), first)


def directory(data: bytearray) -> int:
    """Where the directory of a VMDK stands."""
    stream = struct.unpack_from("<Q", data, 56)[0] == (1 << 64) - 1
    (sector,) = struct.unpack_from("<Q", data, len(data) - 1024 + 56 if stream else 56)
    return int(sector) * 512


def grains(data: bytearray) -> None:
    (table,) = struct.unpack_from("<I", data, directory(data))
    fill(data, table * 512, "<I", 512)


def tables(data: bytearray) -> None:
    fill(data, directory(data), "<I", SIZE // (512 * 64 * 1024))
    grains(data)


def blocks(data: bytearray) -> None:
    (table,) = struct.unpack_from(">Q", data, 512 + 16)
    fill(data, table, ">I", SIZE // (2 * MIB))


def vhdx_blocks(data: bytearray) -> None:
    (offset,) = struct.unpack_from("<Q", data, data.index(VHDX_BLOCKS, 192 * 1024) + 16)
    fill(data, offset, "<Q", SIZE // MIB)


SHARING: dict[str, tuple[SourceFormat, str, Sharing]] = {
    "VMDK, one grain": ("vmdk", "", grains),
    "VMDK, one table": ("vmdk", "", tables),
    "VMDK, one compressed grain": ("vmdk", "subformat=streamOptimized", grains),
    "VHD, one block": ("vhd", "force_size=on", blocks),
    "VHDX, one block": ("vhdx", "block_size=1M", vhdx_blocks),
}


@pytest.mark.parametrize("name", SHARING)
def test_a_disk_that_names_the_same_data_again_and_again_is_refused(name: str, tmp_path: Path) -> None:
    disk_format, options, share = SHARING[name]
    raw = tmp_path / "raw"
    raw.write_bytes(b"data" * 16384)
    run.run(["truncate", "-s", str(SIZE), raw], timeout_seconds=60)
    path = make(raw, tmp_path / "disk", disk_format, options)
    said = SaidOfDisk(disk_format)
    assert inspect_file(path, said, most_bytes=SIZE).size_bytes == SIZE
    data = bytearray(path.read_bytes())
    share(data)
    path.write_bytes(data)
    with pytest.raises(
        DiskSharesData, match=f"{disk_format} disk refer to the same data .*`qemu-img convert"
    ):
        inspect_file(path, said, most_bytes=SIZE)
