"""Attach a volume to a VM, running or stopped.

1. attach: the hypervisor plugs it in. Undo: unplug it; a guest that does not release it keeps it.
2. record: the volume is `in-use`, the link `attached`.

If a step fails, the link is removed and the volume `available` again; if the guest kept the volume, it stays attached.

The subject is the volume.
"""

from typing import TypeAlias

import structlog

from souche.db import volumes
from souche.db.transactions import Transaction
from souche.errors import ComputeFailed, StorageFailed
from souche.model.disks import GuestDisk
from souche.model.operations import Operation
from souche.operations.volumes import LinkVolume, UnlinkVolume
from souche.states import LinkState, VolumeState
from souche.workflows import locks
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts

log = structlog.get_logger()

OfLink: TypeAlias = Operation[LinkVolume | UnlinkVolume]


def _attach(parts: Parts, operation: Operation[LinkVolume]) -> None:
    with parts.store.read() as connection:
        volume = volumes.get(connection, operation.subject_id)
    if volume is None or volume.link is None or volume.link.vm_id != operation.params.vm_id:
        raise StorageFailed(reason=f"the volume '{operation.subject_id}' is not linked")
    source = parts.volumes.volume_source(volume.volume_id)
    parts.hypervisor.attach(volume.link.vm_id, GuestDisk(volume.volume_id, volume.link.device_name, source))


def _take_back(parts: Parts, operation: Operation[LinkVolume]) -> None:
    try:
        detach(parts, operation)
    except ComputeFailed as error:
        log.warning("a guest kept a volume", volume_id=operation.subject_id, reason=str(error))


def detach(parts: Parts, operation: OfLink) -> None:
    """Unplug the volume of the operation."""
    parts.hypervisor.detach(operation.params.vm_id, operation.subject_id)


def record_attached(parts: Parts, operation: OfLink) -> None:
    """Record that the VM uses the volume."""
    with parts.store.begin() as connection:
        if _is_linked(connection, operation):
            volumes.set_state(connection, operation.subject_id, VolumeState.IN_USE)
            volumes.set_link_state(connection, operation.subject_id, LinkState.ATTACHED)


def record_detached(parts: Parts, operation: OfLink) -> None:
    """Record that the volume is free again."""
    with parts.store.begin() as connection:
        if _is_linked(connection, operation):
            volumes.unlink(connection, operation.subject_id)
            volumes.set_state(connection, operation.subject_id, VolumeState.AVAILABLE)


def _is_linked(connection: Transaction, operation: OfLink) -> bool:
    """Whether the link is still the operation's: the VM may have been terminated, and the volume attached to another
    one."""
    volume = volumes.get(connection, operation.subject_id)
    return volume is not None and volume.link is not None and volume.link.vm_id == operation.params.vm_id


def record_as_is(parts: Parts, operation: OfLink, reason: str) -> None:
    """Record the guest's actual state after a failed change. A guest that is off has no open disks: it gets them at
    each start."""
    if operation.subject_id in (parts.live.open_disks(operation.params.vm_id) or {}):
        record_attached(parts, operation)
    else:
        record_detached(parts, operation)


WORKFLOW = Workflow(
    params=LinkVolume,
    steps=(Step("attach", _attach, _take_back), Step("record", record_attached)),
    failed=record_as_is,
    lock=locks.volume_and_vm,
)
