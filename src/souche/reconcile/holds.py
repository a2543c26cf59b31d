"""Holds, which keep the sweeps from removing disks while records and disks do not match.

- Disks without a record at the start, or after the database server has returned with older records. No crash leaves
  any, so the records are older than the disks: an old region.sqlite was restored, or one without its write-ahead log;
  a standby that was behind took over. Nothing is swept until each of these disks has a record or is in the trash.
- Records without a disk. Perhaps only its link is lost, so unnamed layers are kept until each record has its disk or is
  deleted. A disk in the trash that has a record is restored automatically.
"""

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import get_args

import structlog

from souche.db.store import Store
from souche.reconcile import disk_pages, leftovers
from souche.reconcile.each import each
from souche.storage.base import DiskKind, Trashed, VolumeStore
from souche.workflows.parts import Parts

NAMED = 10
"""the largest number of ids in a line of the log"""
KEPT = 1000
"""the largest number of ids of missing disks in memory"""
HELD_REMEDY = (
    "the records are older than disks/, and nothing is swept: put the newer database back (region.sqlite with its"
    " region.sqlite-wal, or PostgreSQL's); or bring these disks back (souche trash restore), or give them up"
    " (souche trash discard)"
)
MISSING_REMEDY = "nothing is collected: put disks/ back, or delete what these are the records of"

log = structlog.get_logger()


@dataclass(frozen=True)
class Missing:
    """Records without a disk: their number, and the first `KEPT` of their ids."""

    count: int
    first: frozenset[str]

    @classmethod
    def of(cls, ids: Iterator[str]) -> "Missing":
        """Count them, and keep the first."""
        first = frozenset(itertools.islice(ids, KEPT))
        return cls(len(first) + sum(1 for _ in ids), first)


class Hold:
    """The holds of a region. Created at the start, before anything is swept."""

    def __init__(self, parts: Parts) -> None:
        self._history = parts.store.history()  # before records are read
        recover(parts)
        self._unrecorded = leftovers.unrecorded_disks(parts.store, parts.volumes).all()
        self._missing = Missing(0, frozenset())
        self._tell()

    @property
    def disks(self) -> frozenset[str]:
        """The ids of disks without a record that prevent sweeps."""
        return self._unrecorded

    def sweep(self, parts: Parts) -> None:
        """Restore disks that have a record again; discard those without one, unless they are held."""
        recover(parts)
        if self.stands(parts):
            return
        history = self._history
        leftovers.remove(parts, lambda: parts.store.history() == history)

    def collect(self, parts: Parts) -> None:
        """Free unused layers, and shorten chains. A link that is lost after its page was compared, while others are
        compared or layers are freed, is noticed in the next round only."""
        removing = self._is_complete(parts) and not self.stands(parts)
        parts.volumes.collect(removing=removing)

    def stands(self, parts: Parts) -> bool:
        """Whether disks remain that had no record at the start, or when older records returned."""
        history = parts.store.history()
        if history != self._history:
            self._unrecorded |= leftovers.unrecorded_disks(parts.store, parts.volumes).all()
            self._history = history
            log.warning("the database was restored, or another server took over: disks are compared with it")
            self._tell()
        if self._unrecorded:
            self._unrecorded = leftovers.still_unrecorded(parts.store, parts.volumes, self._unrecorded)
        return bool(self._unrecorded)

    def _tell(self) -> None:
        if self._unrecorded:
            log.warning("disks without a record", **_named(self._unrecorded), remedy=HELD_REMEDY)

    def _is_complete(self, parts: Parts) -> bool:
        """Whether every record has its disk. Missing disks are logged when there are others than before."""
        found = Missing.of(disk_pages.missing(parts.store, parts.volumes, disk_pages.with_rest))
        if found.count > self._missing.count or found.first - self._missing.first:
            shown = {"count": found.count, "ids": sorted(found.first)[:NAMED]}
            log.warning("records without their disk", **shown, remedy=MISSING_REMEDY)
        self._missing = found
        return not found.count


def recover(parts: Parts) -> None:
    """Restore from the trash the disks that have a record, because their database has returned."""
    trashed = parts.volumes.trash()
    wanted = recorded_again(parts.store, parts.volumes, trashed)

    def restore(disk: Trashed) -> None:
        log.warning("out of the trash: it has a record", resource_id=disk.resource_id)
        parts.volumes.restore(disk.kind, disk.resource_id)

    each((disk for disk in trashed if disk.resource_id in wanted), restore, _name)


def recorded_again(store: Store, disks: VolumeStore, trashed: Collection[Trashed]) -> set[str]:
    """The ids of disks in the trash that should have a disk, by their records, and have none outside of it."""
    found: set[str] = set()
    for kind in get_args(DiskKind):
        mine = {disk.resource_id for disk in trashed if disk.kind == kind}
        recorded = mine.difference(disk_pages.without_record(store, kind, mine))
        found |= {each for each in recorded if disk_pages.is_missing(store, disks, kind, each)}
    return found


def _name(disk: Trashed) -> str:
    return disk.resource_id


def _named(disks: frozenset[str]) -> dict[str, object]:
    return {"count": len(disks), "ids": sorted(disks)[:NAMED]}
