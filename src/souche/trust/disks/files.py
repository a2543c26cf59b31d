"""The interface of every file system, whichever library reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

MOST_ENTRIES: Final = 100_000
"""in one directory; a crafted one may have more"""

Kind = Literal["file", "directory", "link", "other", "damaged"]
"""`damaged`: a name whose file cannot be read."""
SETUID, SETGID, STICKY, WORLD_WRITABLE = 0o4000, 0o2000, 0o1000, 0o002


@dataclass(frozen=True)
class Entry:
    """A name in a directory: the kind of its file, and `key`, the library's identifier of it. `mode` has the permission
    bits, `size` is in bytes."""

    name: str
    kind: Kind
    size: int
    mode: int
    uid: int
    key: int


class FileSystem(Protocol):
    """A file system being read. Every method may raise OSError if it is damaged. `kind` is its name (ext4, ntfs, vfat,
    xfs, hfs+). `uuid` and `label` are in the form of the guest's fstab. `folds_case`: names are case-insensitive.
    `problems` describes its faults."""

    kind: str
    uuid: str
    label: str
    folds_case: bool
    problems: Sequence[str]

    def root(self) -> Entry: ...

    def entries(self, directory: Entry) -> Sequence[Entry]:
        """The entries of a directory, without itself, its parent and deleted files."""
        ...

    def read(self, file: Entry, most: int) -> bytes:
        """The first bytes of a file."""
        ...

    def target(self, link: Entry) -> str:
        """The target of a symbolic link."""
        ...


class CannotRead(Exception):
    """This engine reads no such file system. `reason` is a clause: "it is btrfs". `other`: another engine may."""

    def __init__(self, reason: str, *, other: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.other = other
