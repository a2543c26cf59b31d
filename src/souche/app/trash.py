"""The operator's actions on disks without an owner: those in the trash, and others without a record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from souche.app import accounts, snapshots
from souche.app.context.region import Region
from souche.db import snapshots as snapshot_records
from souche.db import volumes as volume_records
from souche.errors import Conflict, Invalid, NotFound, SystemFailure
from souche.model.accounts import Account, Principal
from souche.model.snapshots import Snapshot
from souche.model.volumes import Volume
from souche.reconcile.holds import recorded_again
from souche.reconcile.leftovers import unrecorded_disks
from souche.room import GIB
from souche.states import SnapshotState, VolumeState
from souche.storage.base import DiskKind, VolumeStore

DESCRIPTION = "Restored from the trash"


class NotInTrash(NotFound):
    """There is no disk {resource_id} in the trash, nor one without a record (`souche trash list`)."""


class RecordIsBack(Conflict):
    """The disk {resource_id} in the trash has its record again: restore it (`souche trash restore`), and delete it
    through the API."""


class OwnerUnknown(Invalid):
    """The record of {resource_id} is lost, and its owner with it: name the account with --account NAME."""


class DiskUnreadable(SystemFailure):
    """The disk {resource_id} cannot be restored: its file is missing or damaged."""


@dataclass(frozen=True)
class Discarded:
    """A disk in the trash; `date` None: it has no record, and is not in the trash (yet)."""

    kind: DiskKind
    resource_id: str
    size_bytes: int | None
    date: datetime | None


def every(region: Region, disks: VolumeStore) -> list[Discarded]:
    """The trash, oldest first; then the disks without a record."""
    found = unrecorded_disks(region.store, disks)
    return [
        *_trashed(disks),
        *(Discarded("snapshot", each, None, None) for each in sorted(found.snapshots)),
        *(Discarded("volume", each, None, None) for each in sorted(found.volumes)),
    ]


def discard(region: Region, disks: VolumeStore, resource_ids: Sequence[str]) -> list[Discarded]:
    """Move disks without a record into the trash: the named ones, or all if none is named. Returns their entries there.

    Raises:
        NotInTrash: one of them has a record, or does not exist.
    """
    waiting = [each for each in _chosen(every(region, disks), resource_ids) if each.date is None]
    for each in waiting:
        disks.discard(each.kind, each.resource_id, region.clock.now())
    put = {each.resource_id for each in waiting}
    return [each for each in _trashed(disks) if each.resource_id in put]


def empty(region: Region, disks: VolumeStore, resource_ids: Sequence[str]) -> list[Discarded]:
    """Remove disks from the trash permanently: the named ones, or all if none is named. Returns the removed ones. Disks
    whose record has returned with its database stay: the next start restores them.

    Raises:
        NotInTrash: one of them is not in the trash. RecordIsBack: a named one has its record again.
    """
    chosen = _chosen(_trashed(disks), resource_ids)
    wanted = recorded_again(region.store, disks, disks.trash())
    for resource_id in resource_ids:
        if resource_id in wanted:
            raise RecordIsBack(resource_id=resource_id)
    removed = [each for each in chosen if each.resource_id not in wanted]
    for each in removed:
        disks.purge(each.kind, each.resource_id)
    return removed


def restore(region: Region, disks: VolumeStore, resource_id: str, account: str | None) -> Discarded:
    """Restore a disk under its id, and return it as it is then. Without a record it gets one of this account: a
    snapshot that is `completed`, or a volume that is `available`. The record is written first: a disk in the trash with
    a record is restored by the sweep (`reconcile/holds.py`).

    Raises:
        NotInTrash, OwnerUnknown, NoSuchAccount, DiskUnreadable.
    """
    (found,) = _chosen(every(region, disks), [resource_id])
    if not _is_recorded(region, found):
        if account is None:
            raise OwnerUnknown(resource_id=resource_id)
        owner = accounts.known(region, account)
        size_bytes = _size_bytes(region, disks, found)
        _record(region, found, owner, -(-size_bytes // GIB))
        found = replace(found, size_bytes=size_bytes)
    disks.restore(found.kind, resource_id)
    return replace(found, date=None)


def _trashed(disks: VolumeStore) -> list[Discarded]:
    return [Discarded(each.kind, each.resource_id, each.size_bytes, each.date) for each in disks.trash()]


def _chosen(found: Sequence[Discarded], resource_ids: Sequence[str]) -> list[Discarded]:
    known = {each.resource_id: each for each in found}
    for resource_id in resource_ids:
        if resource_id not in known:
            raise NotInTrash(resource_id=resource_id)
    return [known[each] for each in dict.fromkeys(resource_ids)] if resource_ids else list(found)


def _size_bytes(region: Region, disks: VolumeStore, found: Discarded) -> int:
    """The size of a disk. A disk outside the trash is moved there, which reveals its size."""
    if found.date is None:
        disks.discard(found.kind, found.resource_id, region.clock.now())
    sizes = {each.resource_id: each.size_bytes for each in disks.trash()}
    size_bytes = sizes.get(found.resource_id)
    if not size_bytes:
        raise DiskUnreadable(resource_id=found.resource_id)
    return size_bytes


def _is_recorded(region: Region, found: Discarded) -> bool:
    with region.store.read() as connection:
        if found.kind == "snapshot":
            return snapshot_records.get(connection, found.resource_id) is not None
        return volume_records.get(connection, found.resource_id) is not None


def _record(region: Region, found: Discarded, owner: Account, size_gib: int) -> None:
    with region.begin() as work:
        if found.kind == "snapshot":
            snapshot_records.insert(work.connection, _snapshot(region, found, owner, size_gib))
        else:
            volume_records.insert(work.connection, [_volume(region, found, owner, size_gib)])


def _snapshot(region: Region, found: Discarded, owner: Account, size_gib: int) -> Snapshot:
    return replace(
        snapshots.new(region, Principal(owner.account_id, ""), None),
        snapshot_id=found.resource_id,
        volume_size_gib=size_gib,
        state=SnapshotState.COMPLETED,
        progress_percent=100,
        description=DESCRIPTION,
    )


def _volume(region: Region, found: Discarded, owner: Account, size_gib: int) -> Volume:
    return Volume(
        volume_id=found.resource_id,
        account_id=owner.account_id,
        snapshot_id=None,
        size_gib=size_gib,
        volume_type="standard",
        iops=None,
        state=VolumeState.AVAILABLE,
        subregion_name=region.subregion_name,
        creation_date=region.clock.now(),
    )
