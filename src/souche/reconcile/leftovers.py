"""What nobody owns any more: guests, volumes and snapshots without a record, and VMs long terminated.

A record is written before the thing that it describes is made, so what has none is left over for certain.
"""

from datetime import timedelta

import structlog

from souche.db import snapshots, vms, volumes
from souche.workflows.parts import Parts

TERMINATED_LISTED = timedelta(hours=1)

log = structlog.get_logger()


def remove(parts: Parts) -> None:
    """Remove everything that has no record. What is there is listed first, the records are read afterwards."""
    inventory = parts.volumes.inventory()
    guests = set(parts.hypervisor.power_states())
    with parts.store.read() as connection:
        orphans = sorted(guests - vms.all_ids(connection))
        orphan_volumes = sorted(inventory.volume_ids - volumes.all_ids(connection))
        orphan_snapshots = sorted(inventory.snapshot_ids - snapshots.all_ids(connection))
    for vm_id in orphans:
        log.warning("removing a guest without a record", vm_id=vm_id)
        parts.hypervisor.remove(vm_id)
    for volume_id in orphan_volumes:
        log.warning("removing a volume without a record", volume_id=volume_id)
        parts.volumes.delete_volume(volume_id)
    for snapshot_id in orphan_snapshots:
        log.warning("removing a snapshot without a record", snapshot_id=snapshot_id)
        parts.volumes.delete_snapshot(snapshot_id)


def forget_terminated(parts: Parts) -> None:
    """Terminated VMs are listed for an hour: Terraform reads them to see that they are gone (clients.md)."""
    with parts.store.begin() as connection:
        vms.erase_terminated(connection, parts.clock.now() - TERMINATED_LISTED)


def collect_disks(parts: Parts) -> None:
    """Give back the space of layers that nothing names, and bound the length of chains."""
    parts.volumes.collect()
