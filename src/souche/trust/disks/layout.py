"""The file systems of an image's disks: partitions, logical volumes, and their contents."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from souche.trust.disks import partitions
from souche.trust.disks.files import CannotRead, FileSystem
from souche.trust.disks.lvm import Group
from souche.trust.disks.partitions import BIOS_BOOT, Partition, Table
from souche.trust.disks.sources import Slice, Source
from souche.trust.disks.tsk import EXT_MAGIC, open_ext, open_fat, open_hfs, open_ntfs
from souche.trust.disks.xfs import XfsFileSystem

MOST_FILE_SYSTEMS: Final = 300
HEAD_BYTES: Final = 68 * 1024
SWAP: Final = ((4086, b"SWAPSPACE2"), (4086, b"S1SUSPEND"), (65526, b"SWAPSPACE2"))
NO_FILES: Final = (
    BIOS_BOOT, "e3c9e316-0b5c-4db8-817d-f92df00215ae", "9e1a2d38-c612-4316-aa26-8b49521e5a8b", "41",
)  # fmt: skip
"""Types of partitions without a file system: BIOS boot, Microsoft reserved, PReP boot."""
MOST_WITHOUT_FILES: Final = 256 << 20
"""largest size of such a partition, in bytes"""
UNKNOWN: Final = "what is in it is of no known kind"


@dataclass(frozen=True)
class Place:
    """The place of a file system: its disk (counted from 0), its partition (None: the whole disk), its logical
    volume."""

    disk: int
    partition: Partition | None = None
    volume: str | None = None

    @property
    def name(self) -> str:
        """In words: the guest's device names differ."""
        where = f"disk {self.disk}"
        if self.partition:
            where += f", partition {self.partition.number}"
        return f"{where}, volume {self.volume}" if self.volume else where


@dataclass(frozen=True)
class FoundFileSystem:
    """A file system and its place."""

    place: Place
    files: FileSystem


@dataclass
class Layout:
    """The contents of the disks. `unread`: places that this engine cannot read, and why."""

    tables: list[Table] = field(default_factory=list)
    found: list[FoundFileSystem] = field(default_factory=list)
    unread: list[tuple[Place, CannotRead]] = field(default_factory=list)


def look(disks: Sequence[Source]) -> Layout:
    """Find every file system of the disks."""
    layout = Layout()
    for number, disk in enumerate(disks):
        table = partitions.read_table(disk)
        layout.tables.append(table)
        parts: list[tuple[Place, Source]] = [
            (Place(number, each), Slice(disk, each.offset, each.size)) for each in table.partitions
        ] or [(Place(number), disk)]
        for place, source in parts:
            _look(layout, place, source)
        if table.partitions:
            _look_beneath(layout, Place(number), disk)
    return layout


def _look_beneath(layout: Layout, place: Place, disk: Source) -> None:
    """A disk with partitions may also be one file system: a guest can be told to boot from either."""
    _look(layout, place, disk, or_unknown=False)


def _look(layout: Layout, place: Place, source: Source, *, or_unknown: bool = True) -> None:
    """`or_unknown`: unknown contents are noted as unread."""
    try:
        for where, files in _opened(layout, place, source, or_unknown=or_unknown):
            layout.found.append(FoundFileSystem(where, files))
    except CannotRead as error:
        layout.unread.append((place, error))
    except (OSError, ValueError, struct.error, OverflowError) as error:
        layout.unread.append((place, CannotRead(f"it is damaged ({type(error).__name__})", other=True)))


def _opened(
    layout: Layout, place: Place, source: Source, *, or_unknown: bool
) -> Iterator[tuple[Place, FileSystem]]:
    if len(layout.found) >= MOST_FILE_SYSTEMS:
        raise CannotRead("there are too many file systems", other=False)
    head = source.read(0, HEAD_BYTES)
    if head[536:544] == b"LVM2 001" or head[512:520] == b"LABELONE":
        for volume in Group(source).volumes:
            _look(layout, Place(place.disk, place.partition, volume.name), volume)
        return
    files = _open(source, head)
    if files is not None:
        yield place, files
    elif or_unknown and not is_without_files(place.partition, head):
        raise CannotRead(UNKNOWN, other=False)


def is_without_files(partition: Partition | None, head: bytes) -> bool:
    """Whether the content has no files: swap, a boot loader's partition, or nothing."""
    if any(head[at : at + len(magic)] == magic for at, magic in SWAP):
        return True
    if partition and partition.kind in NO_FILES and partition.size <= MOST_WITHOUT_FILES:
        return True
    return not any(head)


def _open(source: Source, head: bytes) -> FileSystem | None:
    """The file system with these first bytes; None: there is none.

    Raises:
        CannotRead: this engine does not read it.
    """
    if int.from_bytes(head[1080:1082], "little") == EXT_MAGIC:
        return open_ext(source)
    if head[3:11] == b"NTFS    ":
        return open_ntfs(source)
    if head[0x36:0x39] == b"FAT" or head[0x52:0x55] == b"FAT":
        return open_fat(source)
    if head[:4] == b"XFSB":
        return XfsFileSystem(source)
    if head[1024:1026] in (b"H+", b"HX"):
        return open_hfs(source)
    _refuse(source, head)
    return None


def _refuse(source: Source, head: bytes) -> None:
    """Known content that this engine does not read."""
    if head[65600:65608] == b"_BHRfS_M":
        raise CannotRead("it is btrfs", other=True)
    if head[:6] == b"LUKS\xba\xbe":
        raise CannotRead("it is encrypted (LUKS)", other=False)
    if head[3:11] == b"-FVE-FS-":
        raise CannotRead("it is encrypted (BitLocker)", other=False)
    if head[4096:4100] == b"\xfc\x4e\x2b\xa9":
        raise CannotRead("it is a part of a RAID", other=True)
    if head[1024:1028] == b"\xe2\xe1\xf5\xe0":
        raise CannotRead("it is erofs", other=True)
    if head[:4] == b"hsqs":
        raise CannotRead("it is squashfs", other=True)
    if head[0x8001:0x8006] == b"CD001":
        raise CannotRead("it is an ISO 9660 image", other=True)
    if head[1024:1028] == b"\x10\x20\xf5\xf2":
        raise CannotRead("it is f2fs", other=True)
    if head[3:11] == b"EXFAT   ":
        raise CannotRead("it is exfat", other=True)
    if head[32768:32772] == b"JFS1":
        raise CannotRead("it is jfs", other=True)
    if head[65588:65594] == b"ReIsEr":
        raise CannotRead("it is reiserfs", other=True)
