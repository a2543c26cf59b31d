"""The dependants of images and snapshots: by kind, the ids of an account's own, oldest first, and how many others have.
The others' are counted and never read: an image may have any number.
"""

from collections.abc import Mapping
from functools import partial

import sqlalchemy as sa

from souche.db import image_aliases
from souche.db.schema import export_disks, export_tasks, image_mappings, images, snapshots, vms, volumes
from souche.model.images import Image
from souche.model.uses import Users
from souche.states import ExportState, VmState

_UNDER_WAY = export_tasks.c.state.in_([ExportState.QUEUED, ExportState.ACTIVE])


def of_image(connection: sa.Connection, image: Image, account_id: str) -> Mapping[str, Users]:
    """The dependants of an image."""
    image_id = image.image_id
    mapped = sa.select(image_mappings.c.image_id).where(image_mappings.c.snapshot_id.in_(image.snapshot_ids))
    same = images.c.image_id.in_(mapped) & (images.c.image_id != image_id)
    exported = (export_tasks.c.image_id == image_id) & _UNDER_WAY
    live = (vms.c.image_id == image_id) & (vms.c.state != VmState.TERMINATED)
    made = images.c.source_image_id == image_id
    users = partial(_users, connection, account_id)
    return {
        "Vms": users(vms.c.vm_id, live),
        "Copies": users(images.c.image_id, made & images.c.source_vm_id.is_(None)),
        "ImagesOfVms": users(images.c.image_id, made & images.c.source_vm_id.is_not(None)),
        "ImagesOfSameSnapshots": users(images.c.image_id, same),
        "Aliases": _aliases(connection, account_id, image_id),
        "Exports": users(export_tasks.c.task_id, exported),
    }


def of_snapshot(connection: sa.Connection, snapshot_id: str, account_id: str) -> Mapping[str, Users]:
    """The dependants of a snapshot."""
    mapped = sa.select(image_mappings.c.image_id).where(image_mappings.c.snapshot_id == snapshot_id)
    read = sa.select(export_disks.c.task_id).where(export_disks.c.snapshot_id == snapshot_id)
    exported = export_tasks.c.task_id.in_(read) & _UNDER_WAY
    copied = snapshots.c.source_snapshot_id == snapshot_id
    users = partial(_users, connection, account_id)
    return {
        "Volumes": users(volumes.c.volume_id, volumes.c.snapshot_id == snapshot_id),
        "Copies": users(snapshots.c.snapshot_id, copied),
        "Images": users(images.c.image_id, images.c.image_id.in_(mapped)),
        "Exports": users(export_tasks.c.task_id, exported),
    }


def _users(
    connection: sa.Connection, account_id: str, column: sa.Column[str], which: sa.ColumnElement[bool]
) -> Users:
    table = column.table
    own = sa.select(column).where(which, table.c.account_id == account_id)
    others = sa.select(sa.func.count()).select_from(table).where(which, table.c.account_id != account_id)
    ids = connection.scalars(own.order_by(table.c.creation_date, column))
    return Users(tuple(ids), connection.scalar(others) or 0)


def _aliases(connection: sa.Connection, account_id: str, image_id: str) -> Users:
    found = image_aliases.naming(connection, image_id)
    own = tuple(each.told_to(account_id) for each in found if each.account_id == account_id)
    return Users(own, len(found) - len(own))
