"""Removes disks from the trash when they are old enough, counting only the time for which the server ran.

The clock is not used: a clock that is wrong by days, for example after an empty battery, would remove everything. Each
round adds the seconds since the last round to the age of each disk, and keeps the ages in a file. If the file is lost
or damaged, disks are kept longer.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import structlog

from souche.reconcile.each import each
from souche.reconcile.holds import Hold, recorded_again
from souche.storage.base import Trashed
from souche.workflows.parts import Parts

log = structlog.get_logger()


class TrashSweep:
    """The trash of a region. `ages` is the file; `monotonic` gives the seconds of this process."""

    def __init__(
        self, hold: Hold, kept: timedelta, ages: Path, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._hold = hold
        self._kept = kept
        self._file = ages
        self._monotonic = monotonic
        self._ages = _read(ages)
        self._last = monotonic()

    def run(self, parts: Parts) -> None:
        """Remove old disks, unless records and disks do not match. Disks that have a record again are restored
        elsewhere (`holds.recover`)."""
        trashed = parts.volumes.trash()
        self._grow_older(trashed)
        if self._hold.stands(parts):
            return
        old = [disk for disk in trashed if self._ages[_key(disk)] >= self._kept.total_seconds()]
        wanted = recorded_again(parts.store, parts.volumes, old)

        def purge(disk: Trashed) -> None:
            log.warning("removing from the trash", resource_id=disk.resource_id)
            parts.volumes.purge(disk.kind, disk.resource_id)

        each((disk for disk in old if disk.resource_id not in wanted), purge, lambda disk: disk.resource_id)

    def _grow_older(self, trashed: Sequence[Trashed]) -> None:
        """Add the time since the last round to the age of each disk; forget disks that are gone."""
        present = self._monotonic()
        passed, self._last = present - self._last, present
        before = self._ages
        self._ages = {
            key: before[key] + passed if key in before else 0.0 for key in (_key(disk) for disk in trashed)
        }
        if self._ages != before:
            _write(self._file, self._ages)


def _key(disk: Trashed) -> str:
    """A disk that was restored and discarded again is another entry."""
    return f"{disk.resource_id} {disk.date.timestamp()}"


def _read(file: Path) -> dict[str, float]:
    try:
        stored = json.loads(file.read_bytes())
        return {str(key): float(seconds) for key, seconds in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(file: Path, ages: Mapping[str, float]) -> None:
    """Not synced: time lost in a power failure does not count."""
    draft = file.with_suffix(".new")
    try:
        draft.write_text(json.dumps(ages))
        draft.replace(file)
    except OSError as error:
        log.warning("the ages of disks in the trash cannot be written", reason=error.strerror)
