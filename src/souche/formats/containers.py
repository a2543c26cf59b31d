"""Recognises disks, and files that are mistaken for disks, by their first bytes, if nothing else declares the format. A
name that declares raw takes precedence (`disk_names`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

SECTOR_BYTES: Final = 512
CONVERT: Final = "`qemu-img convert -f {driver} -O qcow2 FILE DISK.qcow2` makes a disk that is accepted"


@dataclass(frozen=True)
class Container:
    """A kind of file, its common name, and advice."""

    name: str
    remedy: str


def _at(offset: int, *magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: any(head[offset : offset + len(magic)] == magic for magic in magics)


def _tar(head: bytes) -> bool:
    """By the header's checksum (pax(1)), which archives older than `ustar` have too."""
    header = head[:SECTOR_BYTES]
    told = header[148:156].strip(b" \0")
    if len(header) < SECTOR_BYTES or not told or not told.isdigit():
        return False
    try:
        return int(told, 8) == sum(header) - sum(header[148:156]) + 8 * ord(" ")
    except ValueError:
        return False


def _disk(name: str, said: str, driver: str) -> Container:
    """A format that is accepted if it is stated."""
    remedy = (
        f"state it by a name that ends in .{said}, or by --format {said}; or {CONVERT.format(driver=driver)}"
    )
    return Container(name, remedy)


def _foreign(name: str, driver: str) -> Container:
    return Container(name, CONVERT.format(driver=driver))


def _packed(name: str, program: str) -> Container:
    return Container(name, f"unpack it with `{program}`; the only compression that is accepted is gzip")


_PARTED: Final = Container(
    "vmdk",
    f"this is one part of a disk in several files: on a machine with all files, {CONVERT.format(driver='vmdk')}",
)
_LUKS: Final = Container(
    "luks",
    "open it with `cryptsetup open`; to import it encrypted, as a raw disk, give it a name that ends in .raw",
)
VHD_FIXED: Final = _disk("vhd", "vhd", "vpc")
QCOW2: Final = Container("qcow2", "state it by a name that ends in .qcow2, or by --format qcow2")
GZIP: Final = Container("gzip inside gzip", "unpack it once with `gunzip`")
TAR: Final = Container(
    "tar",
    "unpack it with `tar xf`; if it is an OVA, state it by a name that ends in .ova, or by --format ova",
)

CONTAINERS: Final[tuple[tuple[Container, Callable[[bytes], bool]], ...]] = (
    (_disk("vmdk", "vmdk", "vmdk"), _at(0, b"KDMV")),
    (_PARTED, _at(0, b"COWD", b"# Disk DescriptorFile")),
    (_disk("vhdx", "vhdx", "vhdx"), _at(0, b"vhdxfile")),
    (VHD_FIXED, _at(0, b"conectix")),
    (_foreign("vdi", "vdi"), _at(0x40, b"\x7f\x10\xda\xbe")),
    (_foreign("qed", "qed"), _at(0, b"QED\0")),
    (_foreign("qcow", "qcow"), _at(0, b"QFI\xfb\0\0\0\x01")),
    (_foreign("parallels", "parallels"), _at(0, b"WithoutFreeSpace", b"WithouFreSpacExt")),
    (_LUKS, _at(0, b"LUKS\xba\xbe")),
    (GZIP, _at(0, b"\x1f\x8b\x08")),
    (_packed("xz", "unxz"), _at(0, b"\xfd7zXZ\0")),
    (_packed("zstd", "unzstd"), _at(0, b"\x28\xb5\x2f\xfd")),
    (
        _packed("bzip2", "bunzip2"),
        lambda head: head[:3] == b"BZh" and _at(4, b"1AY&SY", b"\x17rE8P\x90")(head),
    ),
    (_packed("lz4", "unlz4"), _at(0, b"\x04\x22\x4d\x18")),
    (_packed("lzip", "lzip -d"), _at(0, b"LZIP\x01")),
    (_packed("zip", "unzip"), _at(0, b"PK\x03\x04", b"PK\x05\x06")),
    (_packed("7z", "7z x"), _at(0, b"7z\xbc\xaf\x27\x1c")),
    (_packed("rar", "unrar x"), _at(0, b"Rar!\x1a\x07")),
    (TAR, _tar),
)
"""Signatures of files that are refused."""

DISKS: Final[tuple[Callable[[bytes], bool], ...]] = (
    _at(510, b"\x55\xaa"),  # MBR, FAT, NTFS, exFAT
    _at(512, b"EFI PART"),
    _at(4096, b"EFI PART"),
    _at(0x438, b"\x53\xef"),  # ext2 to ext4
    _at(0, b"XFSB"),
    _at(0x10040, b"_BHRfS_M"),  # Btrfs
    _at(4086, b"SWAPSPACE2"),
    *(_at(sector * SECTOR_BYTES, b"LABELONE") for sector in range(4)),  # LVM
    _at(0, b"\xfc\x4e\x2b\xa9"),  # Linux RAID 1.1, and 1.2
    _at(4096, b"\xfc\x4e\x2b\xa9"),
    _at(0x8001, b"CD001"),  # ISO 9660
    _at(8192 + 1372, b"\x19\x01\x54\x19"),  # UFS1 and UFS2 of the BSDs
    _at(65536 + 1372, b"\x19\x01\x54\x19"),
    _at(1024, b"\x10\x20\xf5\xf2"),  # F2FS
    _at(0, b"hsqs"),  # SquashFS
    lambda head: not any(head),  # a new disk
)
"""Signatures of raw disks: partition tables, and file systems without a partition table."""


def container_of(head: bytes) -> Container | None:
    """The kind of a file by its first bytes, if it is not a raw disk; None: unknown."""
    return next((container for container, matches in CONTAINERS if matches(head)), None)


def gzip_called(disk_format: str) -> Container:
    """gzip around a disk whose name declares no gzip."""
    return Container("gzip", f"state it by a name that ends in .{disk_format}.gz, or unpack it with `gunzip`")


def looks_like_disk(head: bytes) -> bool:
    """Whether a raw disk begins so (66 KiB of it, or all of a shorter one)."""
    return any(matches(head) for matches in DISKS)


def text_of(head: bytes) -> Container | None:
    """The text of a text file, most often an error page instead of a disk; None: no text."""
    text = head[:4096].rstrip(b"\0")
    if not text or any(byte < 32 and byte not in b"\t\n\f\r\x1b" for byte in text):
        return None
    try:
        text[:-3].decode()  # the last character may be cut
    except UnicodeDecodeError:
        return None
    if text.lstrip()[:5].lower() in (b"<html", b"<!doc", b"<?xml", b"<head", b"<body"):
        return Container("html", "this is a web page, not a disk; read its text")
    return Container("text", "this is text, not a disk; read it")
