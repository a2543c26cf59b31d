"""The space that may still be used on the media of the region's home.

Code with large writes (imports, conversions, merges, builds) asks before and while writing, and stops at the reserve.
The reserve is for the databases, the journal of workflows and the object store, so that resources can still be deleted
on a full medium. `full` recognises the errors of the system, SQLite and programs for a full medium.
"""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from souche.errors import OutOfSpace, ProgramFailed

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB
LEAST_BYTES: Final = 16 * MIB
"""must be free beyond the reserve before a large write begins"""
LEVELS: Final = (80, 90, 95)
"""percentages of a medium in use that are logged"""
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
FULL_WORDS: Final = ("No space left on device", "Disk quota exceeded")
FULL_SQLITE: Final = frozenset({"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMOPEN"})
"""A full medium causes the first. The others occur if the file beside a database in WAL mode cannot be created."""


@dataclass(frozen=True)
class Usage:
    """The usage of one medium, in bytes. `free_bytes`: what this user may still write."""

    used_bytes: int
    free_bytes: int

    @property
    def percent(self) -> float:
        """How full it is, as df(1) counts."""
        return 100 * self.used_bytes / max(self.used_bytes + self.free_bytes, 1)


def usage_of(folder: Path) -> Usage:
    """The usage of the medium that an existing folder is on."""
    found = os.statvfs(folder)
    return Usage((found.f_blocks - found.f_bfree) * found.f_frsize, found.f_bavail * found.f_frsize)


@dataclass(frozen=True)
class Room:
    """A medium with a reserve. `measure` is called each time."""

    measure: Callable[[], Usage]
    reserve_bytes: int

    def free_bytes(self) -> int:
        """The free bytes above the reserve; negative while the reserve is in use."""
        return self.measure().free_bytes - self.reserve_bytes

    def ask(self, wanted_bytes: int = LEAST_BYTES) -> None:
        """Check that `wanted_bytes` (at least `LEAST_BYTES`) can be written now.

        Raises:
            OutOfSpace: they cannot.
        """
        free_bytes = self.free_bytes()
        if free_bytes < max(wanted_bytes, LEAST_BYTES):
            wanted, left = _shown(max(wanted_bytes, LEAST_BYTES)), _shown(free_bytes)
            raise OutOfSpace(
                reason=f"this may need {wanted}, and only {left} are free beside the reserve for the region's records."
            )

    def check(self) -> None:
        """Check that the reserve is untouched; for a writer between two pieces.

        Raises:
            OutOfSpace: it is not.
        """
        if self.free_bytes() <= 0:
            raise OutOfSpace(reason="the rest is reserved for the region's records.")


def room_of(folders: Sequence[Path], reserve_bytes: int) -> Room:
    """The room on the fullest of the media that existing folders are on."""
    return Room(
        lambda: min((usage_of(folder) for folder in folders), key=lambda each: each.free_bytes), reserve_bytes
    )


ENDLESS: Final = Room(lambda: Usage(0, 1 << 62), 0)
"""for parts that are built without a home"""


def _shown(size_bytes: int) -> str:
    size_bytes = max(size_bytes, 0)
    return f"{size_bytes / GIB:.1f} GiB" if size_bytes >= GIB else f"{size_bytes // MIB} MiB"


def full(error: BaseException | None) -> OutOfSpace | None:
    """OutOfSpace, if the error reports a full medium."""
    if isinstance(error, OutOfSpace):
        return error
    driver = getattr(error, "orig", error)  # SQLAlchemy's attribute for the driver's error
    if isinstance(driver, sqlite3.Error) and _is_full_sqlite(driver):
        return OutOfSpace(reason="its records cannot be written.")
    if isinstance(error, OSError) and error.errno in FULL:
        return OutOfSpace(reason="a file cannot be written.")
    if isinstance(error, ProgramFailed) and any(words in str(error) for words in FULL_WORDS):
        return OutOfSpace(reason=f"{error.fields['program']} cannot write a file.")
    return None


def _is_full_sqlite(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", None) in FULL_SQLITE or "disk is full" in str(error)


@contextmanager
def told_full() -> Iterator[None]:
    """Turns errors of a full medium into OutOfSpace.

    Raises:
        OutOfSpace.
    """
    try:
        yield
    except Exception as error:
        found = full(error)
        if found is None or found is error:
            raise
        raise found from error
