"""Removes leftovers: guests, volumes and snapshots without a record, VMs terminated long ago, disk files that were
never imported.

A record is written before its resource is created, and erased after the resource is removed. So a disk without a record
comes from a defect, or the records are outdated: it goes to the trash. `holds` protects disks whose records are
outdated.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from souche import ids, staged
from souche.db import snapshots, vms, volumes
from souche.db.store import Store
from souche.db.transactions import Transaction
from souche.operations.images import ImportImage
from souche.reconcile.each import each
from souche.states import SnapshotState
from souche.storage.base import VolumeStore
from souche.workflows import engine
from souche.workflows.parts import Parts, Records

TERMINATED_LISTED = timedelta(hours=1)
STAGED_KEPT = timedelta(minutes=1)
"""Longer than the time between the creation of a file and its lock."""
CAPTURES_KEPT = timedelta(days=1)
"""A running backup needs its captures."""

log = structlog.get_logger()


@dataclass(frozen=True)
class UnrecordedDisks:
    """The ids of volumes and snapshots without a record. `captures` and `cleaning` never have one: the captures of
    backups, and the disks of image cleanings (only those whose work has ended)."""

    volumes: frozenset[str]
    snapshots: frozenset[str]
    captures: frozenset[str]
    cleaning: frozenset[str]

    def all(self) -> frozenset[str]:
        """Those that once had a record."""
        return self.volumes | self.snapshots


def unrecorded_disks(store: Store, disks: VolumeStore) -> UnrecordedDisks:
    """The disks that have no record. Disks are listed first, and records are read afterwards."""
    inventory = disks.inventory()
    with store.read() as connection:
        unrecorded = inventory.snapshot_ids - snapshots.all_ids(connection)
        captures = frozenset(each for each in unrecorded if not each.startswith(f"{ids.SNAPSHOT}-"))
        working = frozenset(
            each
            for each in inventory.volume_ids | inventory.snapshot_ids
            if each.startswith(f"{ids.CLEANING}-")
        )
        return UnrecordedDisks(
            volumes=inventory.volume_ids - volumes.all_ids(connection) - working,
            snapshots=unrecorded - captures,
            captures=captures - working,
            cleaning=frozenset(each for each in working if not _is_cleaned(connection, each)),
        )


def _is_cleaned(connection: Transaction, cleaning_id: str) -> bool:
    """Whether the snapshot that the disk is for is still being made."""
    snapshot = snapshots.get(connection, ids.cleaned_snapshot(cleaning_id))
    return snapshot is not None and snapshot.state in (SnapshotState.IN_QUEUE, SnapshotState.PENDING)


def remove(parts: Parts, is_current: Callable[[], bool] = lambda: True) -> None:
    """Remove guests without a record, and move disks without one to the trash. `is_current` is asked after all records
    are read; False: they may have been older ones, and nothing is removed."""
    guests = set(parts.hypervisor.power_states())
    with parts.store.read() as connection:
        orphans = sorted(guests - vms.all_ids(connection))
    found, date = unrecorded_disks(parts.store, parts.volumes), parts.clock.now()
    if not is_current():
        return
    _each_of("removing a guest", orphans, parts.hypervisor.remove)
    discard = parts.volumes.discard
    _each_of("discarding a volume", found.volumes, lambda name: discard("volume", name, date))
    _each_of("discarding a snapshot", found.snapshots, lambda name: discard("snapshot", name, date))
    left = (name for name in found.captures if _is_left(name, date))
    _each_of("removing a backup's capture", left, parts.volumes.delete_snapshot)
    _each_of(
        "removing a disk that was cleaned", found.cleaning, lambda name: remove_cleaning(parts.volumes, name)
    )


def remove_cleaning(disks: VolumeStore, cleaning_id: str) -> None:
    """Remove a volume of a cleaning, and the copy that it was made from."""
    disks.delete_volume(cleaning_id)
    disks.delete_snapshot(cleaning_id)


def _is_left(capture_id: str, now: datetime) -> bool:
    began = ids.backup_date(capture_id)
    return began is None or began < now - CAPTURES_KEPT


def _each_of(what: str, names: Iterable[str], remove: Callable[[str], None]) -> None:
    def remove_one(name: str) -> None:
        log.warning(f"{what} without a record", name=name)
        remove(name)

    each(sorted(names), remove_one)


def forget_terminated(records: Records) -> None:
    """Terminated VMs are listed for an hour: Terraform reads them to see that they are gone (clients.md)."""
    with records.store.begin() as connection:
        vms.erase_terminated(connection, records.clock.now() - TERMINATED_LISTED)


def remove_staged(parts: Parts, staging: Path) -> None:
    """Remove staged disk files whose process was killed: no operation names them, and no process holds them."""
    before = (parts.clock.now() - STAGED_KEPT).timestamp()

    def remove_old(path: Path) -> None:
        if path.lstat().st_mtime >= before or staged.is_held(path):
            return
        # Checked last: a file stays locked until an operation names it.
        if str(path) not in _named(parts, staging):
            log.warning("removing a staged disk that nobody wants", path=str(path))
            staged.remove(path)

    each(staging.iterdir(), remove_old)


def _named(parts: Parts, staging: Path) -> set[str]:
    """The paths that unfinished operations name."""
    outstanding = engine.outstanding(parts)
    disks = {each.params.path for each in outstanding if isinstance(each.params, ImportImage)}
    return disks | {str(staging / operation.subject_id) for operation in outstanding}
