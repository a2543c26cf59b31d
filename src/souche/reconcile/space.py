"""Watches the free space of the region's media: logs each level once, and keeps a ballast file for emergencies.

Guests write to their volumes without any check. Once they have used up the reserve, no records can be written, so
nothing can be deleted. The ballast is a file of some MiB in the home. It is deleted when no other space is left, so
that deletions succeed, and created again when more than the reserve is free.
"""

import os
from pathlib import Path
from typing import Final

import structlog

from souche.room import LEVELS, MIB, Room, full

BALLAST_BYTES: Final = 64 * MIB
BALLAST_SHARE: Final = 4
"""The ballast is at most the reserve divided by this."""
LEAST_LEFT_BYTES: Final = 8 * MIB
"""enough for the records for some time"""

log = structlog.get_logger()


class Ballast:
    """A file that takes up space until the space is needed."""

    def __init__(self, file: Path, room: Room) -> None:
        self._file = file
        self._room = room
        self._size_bytes = min(BALLAST_BYTES, room.reserve_bytes // BALLAST_SHARE)

    def settle(self) -> None:
        """Delete the file when almost nothing is free; make it again when there is space."""
        left_bytes = self._room.measure().free_bytes
        if left_bytes < LEAST_LEFT_BYTES and self._file.exists():
            self._file.unlink(missing_ok=True)
            log.error("the medium is full; the ballast is removed, so that resources can still be deleted")
        elif self._room.free_bytes() > self._size_bytes and not self._file.exists():
            self._take_on()

    def _take_on(self) -> None:
        if not self._size_bytes:
            return
        half_made = self._file.with_suffix(".new")
        try:
            with half_made.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size_bytes)
            half_made.replace(self._file)
        except OSError as error:
            half_made.unlink(missing_ok=True)
            if full(error) is None:
                raise


class SpaceWatch:
    """Logs once when a medium crosses one of `LEVELS` or reaches the reserve."""

    def __init__(self, room: Room, ballast: Ballast) -> None:
        self._room = room
        self._ballast = ballast
        self._level = 0
        self._reserve_reached = False

    def look(self) -> None:
        """Check every medium once."""
        self._ballast.settle()
        usage = self._room.measure()
        level = max((each for each in LEVELS if usage.percent >= each), default=0)
        if level > self._level:
            log.warning("the medium is filling", percent=int(usage.percent), free_mib=usage.free_bytes // MIB)
        self._level = level
        reached = self._room.free_bytes() <= 0
        if reached and not self._reserve_reached:
            log.error("only the reserve is left: large writes are refused", free_mib=usage.free_bytes // MIB)
        self._reserve_reached = reached
