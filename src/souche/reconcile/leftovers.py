"""Removes leftovers: guests, volumes and snapshots without a record, VMs terminated long ago, disk files that were
never imported.

A record is written before its resource is created, and erased after the resource is removed. So a disk without a record
comes from a defect, or the records are outdated: it goes to the trash. `holds` protects disks whose records are
outdated.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from souche import ids, staged
from souche.db import snapshots, vms
from souche.db.store import Store
from souche.operations.images import ImportImage
from souche.reconcile import disk_pages
from souche.reconcile.disk_pages import Pace
from souche.reconcile.each import each
from souche.states import SnapshotState
from souche.storage.base import DiskKind, VolumeStore
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


def unrecorded_disks(
    store: Store, disks: VolumeStore, pace: Pace = disk_pages.without_rest
) -> UnrecordedDisks:
    """The disks that have no record."""
    snapshots_found = list(disk_pages.unrecorded(store, disks, "snapshot", pace))
    volumes_found = list(disk_pages.unrecorded(store, disks, "volume", pace))
    working = {each for each in (*snapshots_found, *volumes_found) if _has_prefix(each, ids.CLEANING)}
    lost = frozenset(each for each in snapshots_found if _has_prefix(each, ids.SNAPSHOT))
    return UnrecordedDisks(
        volumes=frozenset(volumes_found) - working,
        snapshots=lost,
        captures=frozenset(snapshots_found) - lost - working,
        cleaning=frozenset(each for each in working if not _is_cleaned(store, each)),
    )


def still_unrecorded(store: Store, disks: VolumeStore, disk_ids: Collection[str]) -> frozenset[str]:
    """Those of the ids of `UnrecordedDisks.all` that are still so, and not in the trash."""
    of_snapshots = {each for each in disk_ids if _has_prefix(each, ids.SNAPSHOT)}
    of_kinds: dict[DiskKind, set[str]] = {"snapshot": of_snapshots, "volume": set(disk_ids) - of_snapshots}
    found: list[str] = []
    for kind, mine in of_kinds.items():
        found += disk_pages.without_record(store, kind, mine - disks.absent(kind, mine))
    return frozenset(found)


def _has_prefix(disk_id: str, prefix: str) -> bool:
    return disk_id.startswith(f"{prefix}-")


def _is_cleaned(store: Store, cleaning_id: str) -> bool:
    """Whether the snapshot that the disk is for is still being made."""
    with store.read() as connection:
        snapshot = snapshots.get(connection, ids.cleaned_snapshot(cleaning_id))
    return snapshot is not None and snapshot.state in (SnapshotState.IN_QUEUE, SnapshotState.PENDING)


def remove(parts: Parts, is_current: Callable[[], bool] = lambda: True) -> None:
    """Remove guests without a record, and move disks without one to the trash. Disks are looked at again at the end,
    because an operator may have given some a record. `is_current` is asked after all records are read; False: they may
    have been older ones, and nothing is removed."""
    guests = set(parts.hypervisor.power_states())
    with parts.store.read() as connection:
        orphans = sorted(guests - vms.live(connection, guests))
    found = unrecorded_disks(parts.store, parts.volumes, disk_pages.with_rest)
    still = still_unrecorded(parts.store, parts.volumes, found.all())
    date = parts.clock.now()
    if not is_current():
        return
    _each_of("removing a guest", orphans, parts.hypervisor.remove)
    discard = parts.volumes.discard
    _each_of("discarding a volume", found.volumes & still, lambda name: discard("volume", name, date))
    _each_of("discarding a snapshot", found.snapshots & still, lambda name: discard("snapshot", name, date))
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
            log.warning("removing an unused staged disk", path=str(path))
            staged.remove(path)

    each(staging.iterdir(), remove_old)


def _named(parts: Parts, staging: Path) -> set[str]:
    """The paths that unfinished operations name."""
    outstanding = engine.outstanding(parts)
    disks = {each.params.path for each in outstanding if isinstance(each.params, ImportImage)}
    return disks | {str(staging / operation.subject_id) for operation in outstanding}
