"""Holds, which keep the sweeps from removing disks while records and disks do not match.

- Disks without a record at the start, or after the database server has returned with older records. No crash leaves
  any, so the records are older than the disks: an old region.sqlite was restored, or one without its write-ahead log;
  a standby that was behind took over. Nothing is swept until each of these disks has a record or is in the trash.
- Records without a disk. Perhaps only its link is lost, so unnamed layers are kept until each record has its disk or is
  deleted. A disk in the trash that has a record is restored automatically.
"""

from collections.abc import Hashable

import structlog

from souche.db import snapshots, volumes
from souche.db.store import Store
from souche.reconcile import leftovers
from souche.reconcile.each import each
from souche.storage.base import Inventory, Trashed, VolumeStore
from souche.workflows.parts import Parts

NAMED = 10
"""the largest number of ids in a line of the log"""
HELD_REMEDY = (
    "the records are older than disks/, and nothing is swept: put the newer database back (region.sqlite with its"
    " region.sqlite-wal, or PostgreSQL's); or bring these disks back (souche trash restore), or give them up"
    " (souche trash discard)"
)
MISSING_REMEDY = "nothing is collected: put disks/ back, or delete what these are the records of"

log = structlog.get_logger()


class Hold:
    """The holds of a region. Created at the start, before anything is swept."""

    def __init__(self, parts: Parts) -> None:
        self._history = parts.store.history()  # before records are read
        recover(parts)
        self._unrecorded = leftovers.unrecorded_disks(parts.store, parts.volumes).all()
        self._missing: frozenset[str] = frozenset()
        self._mark: Hashable = None
        self._inventory: Inventory | None = None
        self._tell()
        self._is_complete(parts)

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
        """Free unused layers, and shorten chains."""
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
            self._unrecorded &= leftovers.unrecorded_disks(parts.store, parts.volumes).all()
        return bool(self._unrecorded)

    def _tell(self) -> None:
        if self._unrecorded:
            log.warning("disks without a record", **_named(self._unrecorded), remedy=HELD_REMEDY)

    def _is_complete(self, parts: Parts) -> bool:
        """Whether every record has its disk. Missing disks are logged once."""
        mark = parts.store.change_mark()
        if mark == self._mark and parts.volumes.inventory() == self._inventory:
            return not self._missing
        missing, inventory = compare(parts.store, parts.volumes)
        if missing - self._missing:
            log.warning("records without their disk", **_named(missing), remedy=MISSING_REMEDY)
        self._missing, self._mark, self._inventory = missing, mark, inventory
        return not missing


def recover(parts: Parts) -> None:
    """Restore from the trash the disks that have a record, because their database has returned."""
    trashed = parts.volumes.trash()
    wanted = without_disk(parts.store, parts.volumes) if trashed else frozenset()

    def restore(disk: Trashed) -> None:
        log.warning("out of the trash: it has a record", resource_id=disk.resource_id)
        parts.volumes.restore(disk.kind, disk.resource_id)

    each((disk for disk in trashed if disk.resource_id in wanted), restore, _name)


def without_disk(store: Store, disks: VolumeStore) -> frozenset[str]:
    """The ids of snapshots and volumes that should have a disk, by their records, but have none in the store."""
    missing, _ = compare(store, disks)
    return missing


def compare(store: Store, disks: VolumeStore) -> tuple[frozenset[str], Inventory]:
    """The ids of `without_disk`, and the inventory that was compared. Records are read before and after the disks, so
    concurrent deletions do not count."""
    before = _recorded(store)
    inventory = disks.inventory()
    missing = before - inventory.volume_ids - inventory.snapshot_ids
    return frozenset(missing & _recorded(store)) if missing else frozenset(), inventory


def _recorded(store: Store) -> set[str]:
    """The ids that should have a disk, by the records."""
    with store.read() as connection:
        return snapshots.completed_ids(connection) | volumes.made_ids(connection)


def _name(disk: Trashed) -> str:
    return disk.resource_id


def _named(disks: frozenset[str]) -> dict[str, object]:
    return {"count": len(disks), "ids": sorted(disks)[:NAMED]}
