"""XFS, read by libfsxfs, when its log has been written back."""

import stat
import struct
import uuid
from collections.abc import Sequence
from typing import Any, Final

import pyfsxfs

from souche.trust.disks.files import MOST_ENTRIES, CannotRead, Entry, Kind
from souche.trust.disks.sources import Cached, Source, SourceFile

NEEDS_REPAIR: Final = 0x10
LOG_MAGIC: Final = 0xFEEDBABE
UNMOUNT: Final = 0x20
SECTOR_BYTES: Final = 512
MOST_BACK: Final = 2048
"""the last record begins at most this many sectors before the end of the log: records have at most 256 KiB"""


class XfsFileSystem:
    """An XFS file system."""

    kind = "xfs"
    folds_case = False

    def __init__(self, source: Source) -> None:
        block = source.read(0, 512)
        self.uuid = str(uuid.UUID(bytes=block[32:48]))
        self.label = block[108:120].split(b"\0")[0].decode("utf-8", "replace")
        (incompatible,) = struct.unpack_from(">I", block, 216)
        self.problems: Sequence[str] = (
            ["it is marked to be repaired: run xfs_repair"] if incompatible & NEEDS_REPAIR else []
        )
        if _has_log_to_replay(source, block):
            raise CannotRead("the log of its xfs file system was not replayed", other=True)
        self._file = SourceFile(Cached(source))
        self._volume = pyfsxfs.volume()
        try:
            self._volume.open_file_object(self._file)
        except OSError as error:
            raise CannotRead("its xfs file system is damaged", other=True) from error

    def root(self) -> Entry:
        return _entry("", self._volume.get_root_directory())

    def entries(self, directory: Entry) -> Sequence[Entry]:
        inode = self._inode(directory)
        number = inode.number_of_sub_file_entries
        if number > MOST_ENTRIES:
            raise OSError("a directory has too many entries")
        found = (inode.get_sub_file_entry(index) for index in range(number))
        return [_entry(each.name or "", each) for each in found if each.name not in (None, "", ".", "..")]

    def read(self, file: Entry, most: int) -> bytes:
        wanted = min(most, file.size)
        return bytes(self._inode(file).read_buffer_at_offset(wanted, 0)) if wanted > 0 else b""

    def target(self, link: Entry) -> str:
        return str(self._inode(link).symbolic_link_target or "")

    def _inode(self, entry: Entry) -> Any:
        return self._volume.get_file_entry_by_inode(entry.key)


def _entry(name: str, inode: Any) -> Entry:
    mode = int(inode.file_mode)
    kind: Kind = "other"
    if stat.S_ISREG(mode):
        kind = "file"
    elif stat.S_ISDIR(mode):
        kind = "directory"
    elif stat.S_ISLNK(mode):
        kind = "link"
    size = int(inode.size) if kind in ("file", "link") else 0
    return Entry(name, kind, size, mode & 0o7777, int(inode.owner_identifier), int(inode.inode_number))


def _has_log_to_replay(source: Source, superblock: bytes) -> bool:
    """Whether the newest record of the log is not that of an unmount (Linux, fs/xfs/xfs_log_recover.c: the log is a
    ring whose sectors begin with the number of the round that wrote them)."""
    (block_bytes,) = struct.unpack_from(">I", superblock, 4)
    (log_start,) = struct.unpack_from(">Q", superblock, 48)
    (log_blocks,) = struct.unpack_from(">I", superblock, 96)
    (ag_blocks,) = struct.unpack_from(">I", superblock, 84)
    shift = superblock[124]
    if not log_start or not 512 <= block_bytes <= 65536:
        return True  # the log is on another device
    start = ((log_start >> shift) * ag_blocks + (log_start & ((1 << shift) - 1))) * block_bytes
    sectors = log_blocks * block_bytes // SECTOR_BYTES
    return not _is_unmounted(source, start, sectors)


def _is_unmounted(source: Source, start: int, sectors: int) -> bool:
    def round_of(sector: int) -> int:
        first = source.read(start + sector * SECTOR_BYTES, 4)
        number = int.from_bytes(first, "big")
        if number == LOG_MAGIC:
            number = int.from_bytes(source.read(start + sector * SECTOR_BYTES + 4, 4), "big")
        return number

    newest = round_of(0)
    low, high = 0, sectors  # the first sector of another round is in this range
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if round_of(middle) == newest else (low, middle)
    end = high
    back = min(end, MOST_BACK)
    tail = source.read(start + (end - back) * SECTOR_BYTES, back * SECTOR_BYTES)
    for index in range(back - 1, -1, -1):
        at = index * SECTOR_BYTES
        if int.from_bytes(tail[at : at + 4], "big") == LOG_MAGIC:
            return _is_unmount_record(tail[at:])
    return newest == 0


def _is_unmount_record(record: bytes) -> bool:
    """The body begins after the header's sector: an operation header with the flag "unmount"."""
    (length,) = struct.unpack_from(">I", record, 12)
    if length > SECTOR_BYTES or len(record) < 2 * SECTOR_BYTES:
        return False
    return bool(record[SECTOR_BYTES + 9] & UNMOUNT)
