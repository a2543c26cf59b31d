"""Disks: the volume store's own faults, and records against disks in both directions."""

from collections.abc import Iterator
from typing import Final

from souche import ids
from souche.db import disk_records
from souche.db.disk_records import DiskRecord
from souche.fsck.findings import Finding, Level, Repair, Tools
from souche.fsck.look import Observation, Region
from souche.room import GIB
from souche.storage.base import DiskKind

BACKUP: Final = "only a backup can bring the bytes back"
REMOVED: Final = "its disk is removed"
STRANGER: Final = "nothing in the region has such a name: move the file away"
MAY_BE_WANTED: Final = (
    "it may belong to a missing disk: the server keeps it until every disk is complete again"
)
ADVICE: Final = {
    "RecordDamaged": "compare the disk with a backup, and remove the record: the server makes a new one from the file",
    "RecordMissing": "put disks/records back, or compare the disk with a backup: the server makes a new record",
    "FolderMissing": "put it back; if what was in it is lost, make an empty folder in its place, to start without it",
}
"""for findings that are not damage to a disk"""
OF_RECORDS: Final = ("RecordDamaged", "RecordMissing")
"""findings that say nothing about references"""


def check_store(look: Observation) -> Iterator[Finding]:
    """Links, layers, chains and captures. Leftovers of work under way do not count. While a disk or a layer is missing
    or damaged, no removal is offered: an unnamed file may be that disk, or below that layer."""
    missing = {finding.resource_id for check in (check_volumes, check_snapshots) for finding in check(look)}
    broken = any(not fault.leftover and fault.code not in OF_RECORDS for fault in look.disks.faults)
    for fault in look.disks.faults:
        if any(part in look.busy for part in fault.resource_id.split(".")):
            continue
        if not fault.leftover:
            advice = ADVICE.get(fault.code) or (BACKUP if _is_of_a_disk(fault.resource_id) else STRANGER)
            yield Finding(fault.code, fault.resource_id, fault.text, advice=advice)
        elif missing or broken:
            yield Finding(fault.code, fault.resource_id, fault.text, Level.LEFTOVER, advice=MAY_BE_WANTED)
        else:
            yield Finding(fault.code, fault.resource_id, fault.text, Level.LEFTOVER, COLLECTION)


def _is_of_a_disk(name: str) -> bool:
    """Whether a name can be that of a volume, a snapshot, or a layer of one."""
    return name.split("-")[0] in (ids.VOLUME, ids.SNAPSHOT)


def compare(region: Region) -> Iterator[Finding]:
    """Layers whose bytes have changed."""
    for fault in region.disks.compare():
        yield Finding(fault.code, fault.resource_id, fault.text, advice=BACKUP)


def _collect(tools: Tools) -> None:
    tools.volumes.collect()


COLLECTION: Final = Repair("it is removed", _collect)


def check_volumes(look: Observation) -> Iterator[Finding]:
    """Volumes: each record has a large enough disk, and each disk a record that wants one."""
    records = disk_records.volumes(look.connection)
    for record in _settled(look, records):
        size = look.disks.volume_bytes.get(record.resource_id)
        if record.has_disk and record.resource_id not in look.disks.volume_ids:
            what = f"it is '{record.state}', and has no disk"
            yield Finding("VolumeDiskMissing", record.resource_id, what, advice=BACKUP)
        elif record.has_disk and size is not None and size < record.size_gib * GIB:
            what = f"it has {record.size_gib} GiB, and its disk {size} bytes only"
            yield Finding("VolumeSizeDiffers", record.resource_id, what, repair=_growing(record))
    known = {record.resource_id: record for record in records}
    for volume_id in sorted(look.disks.volume_ids - look.busy):
        found = known.get(volume_id)
        if found is None:
            what = "there is a disk of it, and no record"
            yield Finding("VolumeWithoutRecord", volume_id, what, repair=_discarding("volume", volume_id))
        elif found.has_none:
            what = f"it is '{found.state}', and still has a disk"
            yield Finding("VolumeDiskLeft", volume_id, what, repair=_removing_volume(volume_id))


def _discarding(kind: DiskKind, resource_id: str) -> Repair:
    """The disk may be whole and its record lost: `souche trash restore` makes a new one."""

    def discard(tools: Tools) -> None:
        tools.volumes.discard(kind, resource_id, tools.clock.now())

    return Repair("it goes to the trash", discard)


def _removing_volume(volume_id: str) -> Repair:
    return Repair(REMOVED, lambda tools: tools.volumes.delete_volume(volume_id))


def _growing(record: DiskRecord) -> Repair:
    def grow(tools: Tools) -> None:
        tools.volumes.grow_volume(record.resource_id, record.size_gib * GIB)

    return Repair(f"its disk grows to {record.size_gib} GiB", grow)


def check_snapshots(look: Observation) -> Iterator[Finding]:
    """Snapshots: each completed record has a disk of its size, each disk a completed record."""
    records = disk_records.snapshots(look.connection)
    for record in _settled(look, records):
        size = look.disks.snapshot_bytes.get(record.resource_id)
        if record.has_disk and record.resource_id not in look.disks.snapshot_ids:
            what = f"it is '{record.state}', and has no disk"
            yield Finding("SnapshotDiskMissing", record.resource_id, what, advice=BACKUP)
        elif record.has_disk and size is not None and _gib(size) != record.size_gib:
            what = f"it has {record.size_gib} GiB, and its disk {size} bytes"
            yield Finding("SnapshotSizeDiffers", record.resource_id, what, repair=_sizing(record, _gib(size)))
    known = {record.resource_id: record for record in records}
    for snapshot_id in sorted(look.disks.snapshot_ids - look.busy):
        found = known.get(snapshot_id)
        if found is None and not snapshot_id.startswith(f"{ids.SNAPSHOT}-"):
            what = "a backup captured it: the region's server removes it within a minute of the backup's end"
            yield Finding(
                "BackupCaptureLeft", snapshot_id, what, Level.LEFTOVER, _removing_snapshot(snapshot_id)
            )
        elif found is None:
            what = "there is a disk of it, and no record"
            yield Finding(
                "SnapshotWithoutRecord", snapshot_id, what, repair=_discarding("snapshot", snapshot_id)
            )
        elif found.has_none:
            what = f"it is '{found.state}', and still has a disk"
            yield Finding("SnapshotDiskLeft", snapshot_id, what, repair=_removing_snapshot(snapshot_id))


def _removing_snapshot(snapshot_id: str) -> Repair:
    return Repair(REMOVED, lambda tools: tools.volumes.delete_snapshot(snapshot_id))


def _sizing(record: DiskRecord, size_gib: int) -> Repair:
    def note(tools: Tools) -> None:
        with tools.store.begin() as connection:
            disk_records.set_snapshot_size(connection, record.resource_id, size_gib)

    return Repair(f"its record gets {size_gib} GiB", note)


def _settled(look: Observation, records: list[DiskRecord]) -> Iterator[DiskRecord]:
    return (record for record in records if record.resource_id not in look.busy)


def _gib(size_bytes: int) -> int:
    return -(-size_bytes // GIB)
