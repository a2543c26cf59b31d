"""Volumes and snapshots as `souche fsck` holds them against their disks: small rows, of all of them."""

from dataclasses import dataclass

import sqlalchemy as sa

from souche.db import schema
from souche.states import SnapshotState, VolumeState


@dataclass(frozen=True)
class DiskRecord:
    """A volume or a snapshot. At rest it has a disk of `size_gib` if `has_disk`, and none if `has_none`; in a passing
    state it may have one."""

    resource_id: str
    state: str
    size_gib: int
    has_disk: bool
    has_none: bool


def volumes(connection: sa.Connection) -> list[DiskRecord]:
    """All volumes."""
    columns = schema.volumes.c
    rows = connection.execute(sa.select(columns.volume_id, columns.state, columns.size_gib))
    with_disk = (VolumeState.AVAILABLE, VolumeState.IN_USE)
    return [
        DiskRecord(each, state, size, state in with_disk, state == VolumeState.ERROR)
        for each, state, size in rows
    ]


def snapshots(connection: sa.Connection) -> list[DiskRecord]:
    """All snapshots."""
    columns = schema.snapshots.c
    rows = connection.execute(sa.select(columns.snapshot_id, columns.state, columns.volume_size_gib))
    completed, error = SnapshotState.COMPLETED, SnapshotState.ERROR
    return [DiskRecord(each, state, size, state == completed, state == error) for each, state, size in rows]


def set_snapshot_size(connection: sa.Connection, snapshot_id: str, size_gib: int) -> None:
    """Record the captured size of a snapshot."""
    columns = schema.snapshots
    connection.execute(
        columns.update().where(columns.c.snapshot_id == snapshot_id).values(volume_size_gib=size_gib)
    )
