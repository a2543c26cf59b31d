"""Tables that name more than there is."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from souche import run
from souche.formats.disk_inspection import check_data, check_extended_data
from souche.formats.disk_refusals import DiskCutShort, DiskSharesData
from tests.support.bombs import compressed_bomb, shared_bomb

MIB = 1024 * 1024
GIB = 1024 * MIB

FORMS = {
    "as it comes": (),
    "compressed": ("-c",),
    "version 2": ("-o", "compat=0.10"),
    "small clusters": ("-o", "cluster_size=512"),
    "small clusters, compressed": ("-c", "-o", "cluster_size=512"),
    "preallocated": ("-o", "preallocation=metadata"),
}


def is_whole(path: Path) -> bool:
    """Whether qemu-img finds nothing wrong."""
    run.run(["qemu-img", "check", "-q", "-f", "qcow2", path], timeout_seconds=60)
    return True


@pytest.mark.parametrize("form", FORMS)
def test_a_disk_names_no_more_than_its_file_has(tmp_path: Path, form: str) -> None:
    """Random bytes, patterns that compress to nothing, and a last cluster that is cut."""
    raw, disk = tmp_path / "raw", tmp_path / "disk"
    raw.write_bytes(os.urandom(3 * MIB) + bytes(MIB) + b"A" * (4 * MIB + 512))
    run.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *FORMS[form], raw, disk], timeout_seconds=60)
    check_data(disk)


@pytest.mark.parametrize("size_bytes", [64 * MIB, 4 * GIB])
def test_a_disk_whose_entries_name_one_cluster_is_refused(tmp_path: Path, size_bytes: int) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(shared_bomb(size_bytes))
    with pytest.raises(DiskSharesData):
        check_data(disk)


def test_so_is_one_whose_tables_are_one(tmp_path: Path) -> None:
    """The table is read a few times, not once for each of the entries that name it."""
    disk = tmp_path / "disk"
    data = bytearray(compressed_bomb(64 * MIB))
    entries = 4 * MIB // 8
    struct.pack_into(">I", data, 36, entries)
    table = struct.pack(">Q", 1 << 63 | 4 * 2 * MIB) * entries
    data[3 * 2 * MIB : 3 * 2 * MIB] = table
    disk.write_bytes(data)
    with pytest.raises(DiskSharesData):
        check_data(disk)


@pytest.mark.parametrize("bomb", [compressed_bomb, shared_bomb])
def test_qemu_finds_nothing_wrong_with_them(tmp_path: Path, bomb: Callable[[int], bytes]) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bomb(64 * MIB))
    assert is_whole(disk)


@pytest.mark.parametrize("options", ["extended_l2=on", "extended_l2=on,cluster_size=16k"])
def test_a_disk_with_extended_l2_entries_is_whole_to_its_last_byte(tmp_path: Path, options: str) -> None:
    """QEMU reads what is missing as zeros, and qemu-img check finds nothing wrong in a cluster that is cut."""
    raw, disk = tmp_path / "raw", tmp_path / "disk"
    for length in (MIB + 512, MIB):
        raw.write_bytes(os.urandom(3 * MIB) + bytes(MIB) + b"A" * length)
        convert = ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", options, raw, disk)
        run.run(convert, timeout_seconds=60)
        check_extended_data(disk)
    for cut_bytes in (1, 511):
        os.truncate(disk, disk.stat().st_size - cut_bytes)
        with pytest.raises(DiskCutShort):
            check_extended_data(disk)


def test_extended_tables_that_are_one_are_read_a_few_times(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    data = bytearray(compressed_bomb(64 * MIB))
    entries = 4 * MIB // 8
    struct.pack_into(">I", data, 36, entries)
    data[3 * 2 * MIB : 3 * 2 * MIB] = struct.pack(">Q", 1 << 63 | 4 * 2 * MIB) * entries
    disk.write_bytes(data)
    with pytest.raises(DiskCutShort):
        check_extended_data(disk)
