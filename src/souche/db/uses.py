"""What depends on images and snapshots: by kind, the ids with their accounts, oldest first."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import sqlalchemy as sa

from souche.db import image_aliases
from souche.db.schema import export_disks, export_tasks, image_mappings, images, snapshots, vms, volumes
from souche.model.images import Image
from souche.states import ExportState, VmState

Rows: TypeAlias = Sequence[tuple[str, str]]
"""of (id, account id)"""

_UNDER_WAY = export_tasks.c.state.in_([ExportState.QUEUED, ExportState.ACTIVE])


def of_image(connection: sa.Connection, image: Image) -> Mapping[str, Rows]:
    """What depends on an image."""
    image_id = image.image_id
    mapped = sa.select(image_mappings.c.image_id).where(image_mappings.c.snapshot_id.in_(image.snapshot_ids))
    same = images.c.image_id.in_(mapped) & (images.c.image_id != image_id)
    exported = (export_tasks.c.image_id == image_id) & _UNDER_WAY
    live = (vms.c.image_id == image_id) & (vms.c.state != VmState.TERMINATED)
    return {
        "Vms": _found(connection, vms.c.vm_id, live),
        "Copies": _found(connection, images.c.image_id, images.c.source_image_id == image_id),
        "ImagesOfSameSnapshots": _found(connection, images.c.image_id, same),
        "Aliases": [
            (each.told_to(each.account_id), each.account_id)
            for each in image_aliases.naming(connection, image_id)
        ],
        "Exports": _found(connection, export_tasks.c.task_id, exported),
    }


def of_snapshot(connection: sa.Connection, snapshot_id: str) -> Mapping[str, Rows]:
    """What depends on a snapshot."""
    mapped = sa.select(image_mappings.c.image_id).where(image_mappings.c.snapshot_id == snapshot_id)
    read = sa.select(export_disks.c.task_id).where(export_disks.c.snapshot_id == snapshot_id)
    exported = export_tasks.c.task_id.in_(read) & _UNDER_WAY
    copied = snapshots.c.source_snapshot_id == snapshot_id
    return {
        "Volumes": _found(connection, volumes.c.volume_id, volumes.c.snapshot_id == snapshot_id),
        "Copies": _found(connection, snapshots.c.snapshot_id, copied),
        "Images": _found(connection, images.c.image_id, images.c.image_id.in_(mapped)),
        "Exports": _found(connection, export_tasks.c.task_id, exported),
    }


def _found(connection: sa.Connection, column: sa.Column[str], which: sa.ColumnElement[bool]) -> Rows:
    table = column.table
    ordered = sa.select(column, table.c.account_id).where(which).order_by(table.c.creation_date, column)
    return [(row[0], row[1]) for row in connection.execute(ordered)]
