"""Disks being imported: a row for each snapshot, from the request until the snapshot exists."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Final

import sqlalchemy as sa

from souche.db.schema import disk_imports, snapshots
from souche.model.disk_imports import Checksums, DiskImport
from souche.states import SnapshotState

UNDER_WAY: Final = (SnapshotState.IN_QUEUE, SnapshotState.PENDING)


def insert(connection: sa.Connection, disk: DiskImport) -> None:
    """Write a disk whose snapshot was written."""
    checksums = asdict(disk.checksums) if disk.checksums else None
    values = {name: value for name, value in vars(disk).items() if name != "checksums"}
    connection.execute(disk_imports.insert().values(**values, checksums=checksums))


def of_subject(connection: sa.Connection, subject_id: str) -> list[DiskImport]:
    """The disks that an image waits for, in the order of its snapshots' ids; or that of one snapshot."""
    rows = connection.execute(
        sa.select(disk_imports)
        .join(snapshots, snapshots.c.snapshot_id == disk_imports.c.snapshot_id)
        .where(sa.or_(snapshots.c.image_id == subject_id, snapshots.c.snapshot_id == subject_id))
        .order_by(disk_imports.c.snapshot_id)
    )
    return [_disk(row) for row in rows]


def set_received(
    connection: sa.Connection, snapshot_id: str, received_bytes: int, total_bytes: int | None
) -> None:
    """Record the progress of a disk's download."""
    connection.execute(
        disk_imports.update()
        .where(disk_imports.c.snapshot_id == snapshot_id)
        .values(received_bytes=received_bytes, total_bytes=total_bytes)
    )


def cancel(connection: sa.Connection, subject_id: str) -> bool:
    """Mark the missing snapshots of an image, or one snapshot, as `deleting`: their imports end and erase them. Returns
    whether there was any."""
    under_way = [disk.snapshot_id for disk in of_subject(connection, subject_id)]
    cancelled = connection.execute(
        snapshots.update()
        .where(snapshots.c.snapshot_id.in_(under_way), snapshots.c.state.in_(UNDER_WAY))
        .values(state=SnapshotState.DELETING)
    )
    return cancelled.rowcount > 0


def erase(connection: sa.Connection, snapshot_ids: Collection[str]) -> None:
    """The disks are imported, or never will be."""
    connection.execute(disk_imports.delete().where(disk_imports.c.snapshot_id.in_(snapshot_ids)))


def _disk(row: sa.Row[tuple[object, ...]]) -> DiskImport:
    values = dict(row._mapping)  # noqa: SLF001
    checksums = values.pop("checksums")
    return DiskImport(**values, checksums=Checksums(**checksums) if checksums else None)
