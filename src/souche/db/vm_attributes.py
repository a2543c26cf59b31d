"""The attributes that VMs took from their images at their launch."""

from collections.abc import Collection, Sequence
from dataclasses import asdict

import sqlalchemy as sa

from souche.db import query as engine
from souche.db.schema import vm_taken_attributes as taken
from souche.model.images import VmAttributes


def record(connection: sa.Connection, vm_ids: Sequence[str], attributes: VmAttributes) -> None:
    """Record the attributes of new VMs."""
    rows = [{"vm_id": vm_id, "attributes": asdict(attributes)} for vm_id in vm_ids]
    connection.execute(taken.insert(), rows)


def of_vms(connection: sa.Connection, vm_ids: Collection[str]) -> dict[str, VmAttributes]:
    """The attributes that each of the VMs took; VMs without any are missing."""
    found: dict[str, VmAttributes] = {}
    for batch in engine.batches(vm_ids):
        rows = connection.execute(
            sa.select(taken.c.vm_id, taken.c.attributes).where(taken.c.vm_id.in_(batch))
        )
        found |= {row.vm_id: VmAttributes(**row.attributes) for row in rows}
    return found
