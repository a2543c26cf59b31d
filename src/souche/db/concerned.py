"""The resources that operations change."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import sqlalchemy as sa

from souche import ids
from souche.db import query as engine
from souche.db.schema import export_disks, image_mappings, snapshots, volume_links
from souche.model.operations import Operation
from souche.operations import stored

_RELATED: Final[tuple[tuple[sa.Column[Any], sa.Column[Any]], ...]] = (
    (snapshots.c.image_id, snapshots.c.snapshot_id),
    (image_mappings.c.image_id, image_mappings.c.snapshot_id),
    (volume_links.c.vm_id, volume_links.c.volume_id),
    (volume_links.c.volume_id, volume_links.c.vm_id),
    (export_disks.c.task_id, export_disks.c.snapshot_id),
    (snapshots.c.snapshot_id, snapshots.c.volume_id),
)
"""For a resource that an operation names, the resources that change with it."""


def of_operations(connection: sa.Connection, operations: Iterable[Operation]) -> frozenset[str]:
    """The ids of all resources that the operations are about: their subjects, what their params name, the snapshots
    of images that are made, and what cleaning works on for them, the volumes of VMs that change, and what exports
    read."""
    named = frozenset(_named(operations))
    found = set(named)
    for batch in engine.batches(named):
        for known, other in _RELATED:
            found |= set(connection.scalars(sa.select(other).where(known.in_(batch), other.is_not(None))))
    return frozenset(found | {ids.cleaning(each) for each in found})


def _named(operations: Iterable[Operation]) -> Iterator[str]:
    for operation in operations:
        yield operation.subject_id
        yield from stored.texts(operation.params)
