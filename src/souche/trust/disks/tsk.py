"""ext2, ext3, ext4, NTFS, FAT and HFS+, read by The Sleuth Kit."""

import struct
import uuid
from collections.abc import Sequence
from typing import Any, Final

import pytsk3

from souche.trust.disks import jbd2
from souche.trust.disks.files import MOST_ENTRIES, CannotRead, Entry, Kind
from souche.trust.disks.sources import Cached, Source

EXT_MAGIC: Final = 0xEF53
EXT_SUPERBLOCK: Final = 1024
HAS_ERRORS: Final = 0x2
FOLDS_CASE: Final = 0x20000
NEEDS_REPLAY: Final = 0x4
JOURNAL_DEVICE: Final = 0x8
HFS_UNMOUNTED, HFS_INCONSISTENT = 0x100, 0x800
NTFS_VOLUME: Final = 3
"""the number of $Volume in the MFT"""
VOLUME_INFORMATION: Final = 0x70
LABEL_ENTRY: Final = "(Volume Label Entry)"
"""the library's suffix for the FAT directory entry of a volume label, which is not a file"""

_KINDS: Final[dict[int, Kind]] = {
    int(pytsk3.TSK_FS_META_TYPE_REG): "file",
    int(pytsk3.TSK_FS_META_TYPE_DIR): "directory",
    int(pytsk3.TSK_FS_META_TYPE_LNK): "link",
}

# Always given to the library: to detect the type, it would read the whole disk to exclude others.
_EXT: Final = int(pytsk3.TSK_FS_TYPE_EXT_DETECT)
_FORMATS: Final = {
    "ext2": _EXT,
    "ext3": _EXT,
    "ext4": _EXT,
    "ntfs": int(pytsk3.TSK_FS_TYPE_NTFS_DETECT),
    "vfat": int(pytsk3.TSK_FS_TYPE_FAT_DETECT),
    "hfs+": int(pytsk3.TSK_FS_TYPE_HFS_DETECT),
}


class _Image(pytsk3.Img_Info):  # type: ignore[misc]
    """A source in the form that The Sleuth Kit reads."""

    def __init__(self, source: Source) -> None:
        self._bytes = source
        super().__init__(url="", type=pytsk3.TSK_IMG_TYPE_EXTERNAL)

    def read(self, offset: int, length: int) -> bytes:
        return self._bytes.read(offset, length)

    def get_size(self) -> int:
        return self._bytes.size

    def close(self) -> None:
        """Does nothing: nothing is open."""


class TskFileSystem:
    """A file system that The Sleuth Kit reads."""

    def __init__(
        self, source: Source, kind: str, label: str, uuid_text: str, problems: Sequence[str]
    ) -> None:
        self.kind = kind
        self.label = label
        self.uuid = uuid_text
        self.folds_case = kind in ("ntfs", "vfat")
        self.problems = problems
        self._image = _Image(source)
        try:
            self._fs = pytsk3.FS_Info(self._image, 0, _FORMATS[kind])
        except OSError as error:
            raise CannotRead(f"its {kind} file system is damaged", other=True) from error

    def open(self, number: int) -> Any:
        """The library's file of an inode, or of a record of the MFT."""
        return self._fs.open_meta(inode=number)

    def root(self) -> Entry:
        return Entry("", "directory", 0, 0o755, 0, int(self._fs.info.root_inum))

    def entries(self, directory: Entry) -> Sequence[Entry]:
        found: list[Entry] = []
        for each in self._fs.open_dir(inode=directory.key):
            entry = _entry(each)
            if entry is not None:
                found.append(entry)
            if len(found) >= MOST_ENTRIES:
                raise OSError("a directory has too many entries")
        return found

    def read(self, file: Entry, most: int) -> bytes:
        wanted = min(most, file.size)
        return bytes(self.open(file.key).read_random(0, wanted)) if wanted > 0 else b""

    def target(self, link: Entry) -> str:
        meta = self.open(link.key).info.meta
        target = getattr(meta, "link", None) if meta else None
        return _text(target or b"")


def _entry(found: Any) -> Entry | None:
    name, meta = found.info.name, found.info.meta
    if name is None or meta is None:
        return None
    if not int(name.flags) & int(pytsk3.TSK_FS_NAME_FLAG_ALLOC):
        return None
    if not int(meta.flags) & int(pytsk3.TSK_FS_META_FLAG_ALLOC):
        return None
    text = _text(name.name)
    if text.endswith(LABEL_ENTRY):
        return None
    if text in ("", ".", "..") or "/" in text:
        return None
    kind = _KINDS.get(int(meta.type), "other")
    return Entry(text, kind, int(meta.size), int(meta.mode) & 0o7777, int(meta.uid), int(meta.addr))


def _text(raw: str | bytes) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)


def open_ext(source: Source) -> TskFileSystem:
    """An ext2, ext3 or ext4 file system, its journal replayed.

    Raises:
        CannotRead: it is damaged, or its journal is.
    """
    block = source.read(EXT_SUPERBLOCK, 1024)
    (state,) = struct.unpack_from("<H", block, 0x3A)
    compatible, incompatible = struct.unpack_from("<II", block, 0x5C)
    kind = "ext4" if incompatible & 0x40 else "ext3" if compatible & 0x4 else "ext2"
    label = block[0x78:0x88].split(b"\0")[0].decode("utf-8", "replace")
    uuid_text = str(uuid.UUID(bytes=block[0x68:0x78]))
    problems = ["it has recorded errors: run e2fsck"] if state & HAS_ERRORS else []
    if incompatible & NEEDS_REPLAY:
        source = replayed(source, block, kind)
    made = TskFileSystem(Cached(source), kind, label, uuid_text, problems)
    made.folds_case = bool(incompatible & FOLDS_CASE)
    return made


def replayed(source: Source, superblock: bytes, kind: str) -> Source:
    """The file system with its journal replayed.

    Raises:
        CannotRead: it cannot be.
    """
    if struct.unpack_from("<I", superblock, 0x60)[0] & JOURNAL_DEVICE:
        raise CannotRead("its journal is on another device", other=True)
    (shift,) = struct.unpack_from("<I", superblock, 0x18)
    (inode,) = struct.unpack_from("<I", superblock, 0xE0)
    if shift > 6:
        raise CannotRead("its block size cannot be", other=False)
    block_bytes = 1024 << shift
    try:
        file = pytsk3.FS_Info(_Image(Cached(source)), 0, _FORMATS[kind]).open_meta(inode=inode)
        journal = jbd2.Journal(
            block_bytes, lambda number: bytes(file.read_random(number * block_bytes, block_bytes))
        )
        return jbd2.ReplayedJournal(source, journal, jbd2.replay(journal))
    except (OSError, jbd2.OddJournal) as error:
        raise CannotRead(f"the journal of its {kind} file system cannot be replayed", other=True) from error


def open_ntfs(source: Source) -> TskFileSystem:
    """An NTFS file system."""
    serial = source.read(0x48, 8)[::-1].hex().upper()
    made = TskFileSystem(Cached(source), "ntfs", "", serial, ())
    if _is_dirty(made.open(NTFS_VOLUME)):
        made.problems = ("it was not shut down: Windows checks it at its next start",)
    return made


def _is_dirty(volume: Any) -> bool:
    """The flag "dirty" of $VOLUME_INFORMATION."""
    try:
        for attribute in volume:
            if int(attribute.info.type) == VOLUME_INFORMATION:
                raw = bytes(volume.read_random(0, 12, attribute.info.type, attribute.info.id))
                return bool(raw[10:11] and raw[10] & 1)
    except OSError:
        return False
    return False


def open_fat(source: Source) -> TskFileSystem:
    """A FAT file system."""
    sector = source.read(0, 512)
    at = 0x43 if sector[0x52:0x55] == b"FAT" else 0x27
    serial = sector[at : at + 4][::-1].hex().upper()
    label = sector[at + 4 : at + 15].decode("ascii", "replace").strip()
    return TskFileSystem(Cached(source), "vfat", label, f"{serial[:4]}-{serial[4:]}", ())


def open_hfs(source: Source) -> TskFileSystem:
    """An HFS+ file system: names are case-insensitive, except for HFSX (TN1150)."""
    header = source.read(1024, 512)
    (attributes,) = struct.unpack_from(">I", header, 4)
    whole = attributes & HFS_UNMOUNTED and not attributes & HFS_INCONSISTENT
    problems = () if whole else ("it was not unmounted: run fsck.hfsplus",)
    made = TskFileSystem(Cached(source), "hfs+", "", "", problems)
    made.folds_case = header[:2] == b"H+"
    return made
