"""What every file system shows, whichever library reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

MOST_ENTRIES: Final = 100_000
"""of one directory; a crafted one has more."""

Kind = Literal["file", "directory", "link", "other", "damaged"]
"""`damaged`: a name whose file cannot be looked at."""
SETUID, SETGID, STICKY, WORLD_WRITABLE = 0o4000, 0o2000, 0o1000, 0o002


@dataclass(frozen=True)
class Entry:
    """A name in a directory: what it leads to, `key` being the library's own way to it. `mode` has the permission
    bits, `size` is in bytes."""

    name: str
    kind: Kind
    size: int
    mode: int
    uid: int
    key: int


class FileSystem(Protocol):
    """A file system that is read. Every method may raise OSError where it is damaged.

    `kind` is its name (ext4, ntfs, vfat, xfs, hfs+); `uuid` and `label` as the guest's fstab would name it;
    `folds_case`: names are the same whatever their case. `problems` is what is wrong with it, in words."""

    kind: str
    uuid: str
    label: str
    folds_case: bool
    problems: Sequence[str]

    def root(self) -> Entry: ...

    def entries(self, directory: Entry) -> Sequence[Entry]:
        """What a directory has, without itself and its parent, and without what was deleted."""
        ...

    def read(self, file: Entry, most: int) -> bytes:
        """The first bytes of a file."""
        ...

    def target(self, link: Entry) -> str:
        """Where a symbolic link leads."""
        ...


class CannotRead(Exception):
    """No file system that this engine reads. `reason` is a clause: "it is btrfs". `other`: another engine may."""

    def __init__(self, reason: str, *, other: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.other = other
