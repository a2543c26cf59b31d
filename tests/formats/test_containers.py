"""Files that are mistaken for disks are named, with a remedy. A file that is declared raw is accepted as raw."""

import bz2
import gzip
import io
import lzma
import re
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from souche.formats.disk_inspection import check_archive, inspect_file, inspect_head
from souche.formats.disk_names import said_by, said_by_any
from souche.formats.disk_refusals import (
    BadDisk,
    DiskCutShort,
    ForeignDiskFormat,
    NotADisk,
    WrongDiskFormat,
    WrongDiskSize,
)
from souche.model.disk_imports import SaidOfDisk
from tests.support.foreign_disks import make

MIB = 1024 * 1024
DISK = bytes(510) + b"\x55\xaa" + bytes(MIB - 512)


def packed(program: str) -> bytes:
    return subprocess.run([program, "-c"], input=DISK, check=True, capture_output=True).stdout


def tar(tar_format: int) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tar_format) as archive:
        member = tarfile.TarInfo("disk.raw")
        member.size = len(DISK)
        archive.addfile(member, io.BytesIO(DISK))
    return made.getvalue()


def old_tar() -> bytes:
    """Of before `ustar`: without a magic number."""
    header = bytearray(tar(tarfile.USTAR_FORMAT)[:512])
    header[257:265] = bytes(8)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + DISK


def zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("disk.raw", DISK)
    return made.getvalue()


def by_qemu(disk_format: str, options: str = "") -> Callable[[Path], bytes]:
    def image(folder: Path) -> bytes:
        (folder / "raw").write_bytes(DISK)
        return make(folder / "raw", folder / "made", disk_format, options).read_bytes()

    return image


def luks(_folder: Path) -> bytes:
    return b"LUKS\xba\xbe\0\x02" + bytes(MIB - 8)


PARALLELS = struct.pack("<16sIIIIIQIIQ", b"WithoutFreeSpace", 2, 16, 63, 16, 16, 2048, 0, 0, 0).ljust(
    512, b"\0"
)

FOREIGN: dict[str, tuple[str, str, Callable[[Path], bytes]]] = {
    "xz": ("xz", "unxz", lambda _: lzma.compress(DISK)),
    "bzip2": ("bzip2", "bunzip2", lambda _: bz2.compress(DISK)),
    "zstd": ("zstd", "unzstd", lambda _: b"\x28\xb5\x2f\xfd" + bytes(508)),
    "zip": ("zip", "unzip", lambda _: zipped()),
    "ustar": ("tar", "--format ova", lambda _: tar(tarfile.USTAR_FORMAT)),
    "GNU tar": ("tar", "--format ova", lambda _: tar(tarfile.GNU_FORMAT)),
    "pax": ("tar", "--format ova", lambda _: tar(tarfile.PAX_FORMAT)),
    "old tar": ("tar", "--format ova", lambda _: old_tar()),
    "gzip": ("gzip inside gzip", "gunzip", lambda _: gzip.compress(DISK)),
    "vmdk": ("vmdk", "qemu-img convert -f vmdk", by_qemu("vmdk")),
    "vmdk, its description": ("vmdk", "several files", by_qemu("vmdk", "subformat=monolithicFlat")),
    "vmdk of ESX": ("vmdk", "several files", lambda _: b"COWD".ljust(512, b"\0")),
    "vhd": ("vhd", "qemu-img convert -f vpc", by_qemu("vhd")),
    "vhdx": ("vhdx", "--format vhdx", by_qemu("vhdx")),
    "vdi": ("vdi", "qemu-img convert -f vdi", by_qemu("vdi")),
    "qed": ("qed", "qemu-img convert -f qed", by_qemu("qed")),
    "qcow": ("qcow", "qemu-img convert -f qcow ", by_qemu("qcow")),
    "parallels": ("parallels", "qemu-img convert -f parallels", lambda _: PARALLELS),
    "luks": ("luks", "cryptsetup open", luks),
    "a web page": ("html", "a web page", lambda _: b"<!DOCTYPE html>\n<p>Sign in</p>".ljust(1024)),
    "a page filled with zeros": ("html", "a web page", lambda _: b"<html>Sign in</html>".ljust(1024, b"\0")),
    "an error of a bucket": ("html", "a web page", lambda _: b"<?xml version='1.0'?><Error/>".ljust(512)),
    "text": ("text", "this is text", lambda _: "Zugriff nicht möglich\n".encode().ljust(512)),
}


@pytest.mark.parametrize("said", [SaidOfDisk(), SaidOfDisk("qcow2")], ids=["nothing said", "qcow2 said"])
@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_disk_is_named_with_what_to_do(name: str, said: SaidOfDisk, tmp_path: Path) -> None:
    named, remedy, build = FOREIGN[name]
    data = build(tmp_path)
    with pytest.raises(ForeignDiskFormat) as caught:
        inspect_head(data, said, most_bytes=16 * MIB)
    assert named in str(caught.value)
    assert remedy in str(caught.value)
    path = tmp_path / "file"
    path.write_bytes(data.ljust(-(-len(data) // 512) * 512, b"\0"))
    assert inspect_file(path, SaidOfDisk("raw"), most_bytes=64 * MIB).format == "raw"


def test_a_fixed_vhd_is_no_raw_disk_with_a_sector_too_many(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(by_qemu("vhd", "subformat=fixed,force_size=on")(tmp_path))
    with pytest.raises(ForeignDiskFormat, match="--format vhd"):
        inspect_file(path, SaidOfDisk(), most_bytes=64 * MIB)
    disk = inspect_file(path, SaidOfDisk("vhd"), most_bytes=64 * MIB)
    assert (disk.size_bytes, disk.foreign) == (MIB, False)


SIGNATURES = {
    "MBR": (510, b"\x55\xaa"),
    "GPT": (512, b"EFI PART"),
    "GPT, sectors of 4 KiB": (4096, b"EFI PART"),
    "ext4": (0x438, b"\x53\xef"),
    "XFS": (0, b"XFSB"),
    "Btrfs": (0x10040, b"_BHRfS_M"),
    "swap": (4086, b"SWAPSPACE2"),
    "LVM": (512, b"LABELONE"),
    "RAID": (4096, b"\xfc\x4e\x2b\xa9"),
    "nothing yet": (0, b""),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_raw_disk_of_which_nothing_is_said_is_known_by_its_looks(name: str) -> None:
    offset, signature = SIGNATURES[name]
    head = bytes(offset) + signature + bytes(MIB)
    assert inspect_head(head, SaidOfDisk(), most_bytes=2 * MIB).format == "raw"


def test_one_that_looks_like_nothing_has_to_be_called_raw() -> None:
    noise = bytes(range(256)) * 4096
    with pytest.raises(NotADisk, match=r"a name that ends in \.raw"):
        inspect_head(noise, SaidOfDisk(), most_bytes=MIB)
    assert inspect_head(noise, SaidOfDisk("raw"), most_bytes=MIB).format == "raw"


def test_a_raw_disk_of_odd_length_is_told_what_it_begins_as(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(lzma.compress(DISK) + b"x")
    with pytest.raises(WrongDiskSize, match=r"begins like xz .*unxz"):
        inspect_file(path, SaidOfDisk("raw"), most_bytes=MIB)
    path.write_bytes(b"QFI\xfb\0\0\0\x03".ljust(513, b"\0"))
    with pytest.raises(WrongDiskSize, match=r"begins like qcow2 .*\.qcow2"):
        inspect_file(path, SaidOfDisk("raw"), most_bytes=MIB)
    path.write_bytes(gzip.compress(DISK).ljust(513, b"x"))
    with pytest.raises(WrongDiskSize, match=r"begins like gzip .*\.raw\.gz"):
        inspect_file(path, SaidOfDisk("raw"), most_bytes=MIB)


def test_what_is_called_otherwise_is_refused_with_the_name_that_it_should_have() -> None:
    for said in (SaidOfDisk("vmdk"), SaidOfDisk("vhdx")):
        with pytest.raises(WrongDiskFormat, match=rf"have the format {said.format}, and has raw\..* \.raw"):
            inspect_head(DISK, said, most_bytes=MIB)
        with pytest.raises(BadDisk, match=r"has qcow2\..* \.qcow2"):
            inspect_head(b"QFI\xfb\0\0\0\x03" + DISK, said, most_bytes=MIB)


VHD: Final = SaidOfDisk("vhd", gzip=False)
NO_VHD: Final = [name for name in FOREIGN if name not in ("vhd", "gzip")]


@pytest.mark.parametrize("name", NO_VHD)
def test_what_is_called_a_vhd_and_has_no_footer_is_named(name: str, tmp_path: Path) -> None:
    named, remedy, build = FOREIGN[name]
    path = tmp_path / "file"
    path.write_bytes(build(tmp_path))
    with pytest.raises(ForeignDiskFormat, match=f"{re.escape(named)}.*{re.escape(remedy)}"):
        inspect_file(path, VHD, most_bytes=64 * MIB)


def test_a_vhd_that_is_something_else_is_told_apart_from_one_that_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "file"
    whole = by_qemu("vhd")(tmp_path)
    cases: dict[bytes, tuple[type[BadDisk], str]] = {
        gzip.compress(whole): (ForeignDiskFormat, r"gzip.*\.vhd\.gz"),
        b"QFI\xfb\0\0\0\x03" + DISK: (WrongDiskFormat, "has qcow2"),
        b"": (WrongDiskSize, "is empty"),
        DISK: (DiskCutShort, "footer"),
        whole[:-512]: (DiskCutShort, "footer"),
    }
    for data, (refusal, said) in cases.items():
        path.write_bytes(data)
        with pytest.raises(refusal, match=said):
            inspect_file(path, VHD, most_bytes=64 * MIB)


@pytest.mark.parametrize("name", [name for name in FOREIGN if "tar" not in name and name != "pax"])
def test_what_is_called_an_ova_and_is_none_is_named(name: str, tmp_path: Path) -> None:
    named, remedy, build = FOREIGN[name]
    with pytest.raises(ForeignDiskFormat, match=f"{re.escape(named)}.*{re.escape(remedy)}"):
        check_archive(build(tmp_path))


def test_an_archive_is_taken_for_one_though_it_is_damaged() -> None:
    for data in (tar(tarfile.PAX_FORMAT), old_tar(), b"x" + tar(tarfile.GNU_FORMAT)):
        check_archive(data)
    with pytest.raises(WrongDiskFormat, match="has raw"):
        check_archive(DISK)
    with pytest.raises(WrongDiskSize, match="is empty"):
        check_archive(b"")


@pytest.mark.parametrize("said", [SaidOfDisk("qcow2"), SaidOfDisk("vmdk")])
def test_a_file_without_bytes_is_empty_whatever_it_is_called(said: SaidOfDisk) -> None:
    with pytest.raises(WrongDiskSize, match="is empty"):
        inspect_head(b"", said, most_bytes=MIB)


NAMES = {
    "snap-0000abcd-00000001.raw.gz": SaidOfDisk("raw", gzip=True),
    "folder/disk.RAW": SaidOfDisk("raw", gzip=False),
    "disk.qcow2": SaidOfDisk("qcow2", gzip=False),
    "appliance.ova": SaidOfDisk("ova", gzip=False),
    "disk.img": SaidOfDisk(),
    "disk.img.gz": SaidOfDisk(gzip=True),
    "disk.raw.xz": SaidOfDisk(),
    ".raw": SaidOfDisk(),
    "raw": SaidOfDisk(),
    "": SaidOfDisk(),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_says_format_and_gzip(name: str) -> None:
    assert said_by(name) == NAMES[name]


def test_the_first_name_that_says_a_format_is_believed() -> None:
    assert said_by_any(["disk", "a/disk.raw.gz"]) == SaidOfDisk("raw", gzip=True)
    assert said_by_any(["disk.qcow2", "a/disk.raw.gz"]) == SaidOfDisk("qcow2", gzip=False)
    assert said_by_any(["disk.gz", "a/disk"]) == SaidOfDisk(gzip=True)
    assert said_by_any([]) == SaidOfDisk()
