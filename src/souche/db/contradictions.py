"""Records that contradict each other, each kind as one statement: its first column is the resource's id, the others
fill the braces of the text.

A resource in a passing state is as it should be while an operation is outstanding that is about it: that is the
caller's to leave out (`fsck/busy.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from souche.db.schema import (
    disk_imports,
    export_disks,
    export_tasks,
    image_mappings,
    images,
    public_ips,
    snapshots,
    vms,
    volume_links,
    volume_update_tasks,
    volumes,
)
from souche.states import (
    ExportState,
    ImageState,
    LinkState,
    SnapshotState,
    VmState,
    VolumeState,
    VolumeUpdateState,
)


@dataclass(frozen=True)
class Contradiction:
    """A kind of contradiction. `code` names it and never changes: programs use it."""

    code: str
    text: str
    statement: sa.Select[Any]


@dataclass(frozen=True)
class Contradicting:
    """A resource with contradicting records."""

    code: str
    resource_id: str
    text: str


def find(connection: sa.Connection) -> Iterator[Contradicting]:
    """Every contradiction in the database."""
    for kind in CONTRADICTIONS:
        for resource_id, *values in connection.execute(kind.statement):
            yield Contradicting(kind.code, str(resource_id), kind.text.format(*values))


def _in_states(
    key: sa.Column[Any], state: sa.Column[Any], states: tuple[str, ...]
) -> sa.Select[tuple[Any, Any]]:
    return sa.select(key, state).where(state.in_(states)).order_by(key)


_NO_OPERATION: Final = "it is '{}', and no operation works on it"
_ENDED_EXPORTS: Final = (ExportState.COMPLETED, ExportState.CANCELLED, ExportState.FAILED)
_READABLE: Final = sa.select(snapshots.c.snapshot_id).where(snapshots.c.state == SnapshotState.COMPLETED)

CONTRADICTIONS: Final = (
    Contradiction(
        "ImageStuck", _NO_OPERATION, _in_states(images.c.image_id, images.c.state, (ImageState.PENDING,))
    ),
    Contradiction(
        "SnapshotStuck",
        _NO_OPERATION,
        _in_states(
            snapshots.c.snapshot_id,
            snapshots.c.state,
            (SnapshotState.IN_QUEUE, SnapshotState.PENDING, SnapshotState.DELETING),
        ),
    ),
    Contradiction(
        "VolumeStuck",
        _NO_OPERATION,
        _in_states(volumes.c.volume_id, volumes.c.state, (VolumeState.CREATING, VolumeState.DELETING)),
    ),
    Contradiction(
        "VmStuck",
        _NO_OPERATION,
        _in_states(vms.c.vm_id, vms.c.state, (VmState.PENDING, VmState.STOPPING, VmState.SHUTTING_DOWN)),
    ),
    Contradiction(
        "LinkStuck",
        "its link is '{}', and no operation works on it",
        _in_states(
            volume_links.c.volume_id, volume_links.c.state, (LinkState.ATTACHING, LinkState.DETACHING)
        ),
    ),
    Contradiction(
        "VolumeUpdateStuck",
        _NO_OPERATION,
        _in_states(
            volume_update_tasks.c.task_id,
            volume_update_tasks.c.state,
            (VolumeUpdateState.PENDING, VolumeUpdateState.ACTIVE),
        ),
    ),
    Contradiction(
        "ExportStuck",
        _NO_OPERATION,
        _in_states(export_tasks.c.task_id, export_tasks.c.state, (ExportState.QUEUED, ExportState.ACTIVE)),
    ),
    Contradiction(
        "ImageSnapshotMissing",
        "it is available, and its snapshot {} does not exist, or is not completed",
        sa.select(images.c.image_id, image_mappings.c.snapshot_id)
        .join(image_mappings, image_mappings.c.image_id == images.c.image_id)
        .where(
            images.c.state == ImageState.AVAILABLE,
            image_mappings.c.snapshot_id.is_not(None),
            image_mappings.c.snapshot_id.not_in(_READABLE),
        ),
    ),
    Contradiction(
        "ImageRootMissing",
        "it is available, and has no disk at its root device {}",
        sa.select(images.c.image_id, images.c.root_device_name).where(
            images.c.state == ImageState.AVAILABLE,
            ~sa.exists().where(
                image_mappings.c.image_id == images.c.image_id,
                image_mappings.c.device_name == images.c.root_device_name,
            ),
        ),
    ),
    Contradiction(
        "VolumeInUseUnlinked",
        "it is 'in-use', and linked to no VM",
        sa.select(volumes.c.volume_id).where(
            volumes.c.state == VolumeState.IN_USE,
            volumes.c.volume_id.not_in(sa.select(volume_links.c.volume_id)),
        ),
    ),
    Contradiction(
        "VolumeLinkedNotInUse",
        "it is '{}', and attached to {}",
        sa.select(volumes.c.volume_id, volumes.c.state, volume_links.c.vm_id)
        .join(volume_links, volume_links.c.volume_id == volumes.c.volume_id)
        .where(volume_links.c.state == LinkState.ATTACHED, volumes.c.state != VolumeState.IN_USE),
    ),
    Contradiction(
        "LinkOfTerminatedVm",
        "it is linked to {}, which is terminated",
        sa.select(volume_links.c.volume_id, vms.c.vm_id)
        .join(vms, vms.c.vm_id == volume_links.c.vm_id)
        .where(vms.c.state == VmState.TERMINATED),
    ),
    Contradiction(
        "VmRootMissing",
        "it is running, and has no volume at its root device {}",
        sa.select(vms.c.vm_id, vms.c.root_device_name).where(
            vms.c.state == VmState.RUNNING,
            ~sa.exists().where(
                volume_links.c.vm_id == vms.c.vm_id, volume_links.c.device_name == vms.c.root_device_name
            ),
        ),
    ),
    Contradiction(
        "LeaseMissing",
        "its address {} is not reserved for it: another VM may get it",
        sa.select(vms.c.vm_id, vms.c.private_ip).where(
            vms.c.state != VmState.TERMINATED,
            sa.or_(vms.c.address_lease.is_(None), vms.c.address_lease != vms.c.private_ip),
        ),
    ),
    Contradiction(
        "LeaseLeft",
        "it is terminated, and the address {} is still reserved for it",
        sa.select(vms.c.vm_id, vms.c.address_lease).where(
            vms.c.state == VmState.TERMINATED, vms.c.address_lease.is_not(None)
        ),
    ),
    Contradiction(
        "PublicIpOfTerminatedVm",
        "it is linked to {}, which is terminated",
        sa.select(public_ips.c.public_ip_id, vms.c.vm_id)
        .join(vms, vms.c.vm_id == public_ips.c.vm_id)
        .where(vms.c.state == VmState.TERMINATED),
    ),
    Contradiction(
        "ImportLeft",
        "it is '{}', and the URL that its disk came from is still kept",
        sa.select(snapshots.c.snapshot_id, snapshots.c.state)
        .join(disk_imports, disk_imports.c.snapshot_id == snapshots.c.snapshot_id)
        .where(snapshots.c.state.in_((SnapshotState.COMPLETED, SnapshotState.ERROR))),
    ),
    Contradiction(
        "ExportDisksLeft",
        "it is '{}', and still keeps the snapshot {} from being deleted",
        sa.select(export_tasks.c.task_id, export_tasks.c.state, export_disks.c.snapshot_id)
        .join(export_disks, export_disks.c.task_id == export_tasks.c.task_id)
        .where(export_tasks.c.state.in_(_ENDED_EXPORTS)),
    ),
)
