"""Attach a volume to a VM, running or stopped.

1. attach: the hypervisor plugs it in. Undo: it unplugs it.
2. record: the volume is `in-use`, the link `attached`.

When a step fails the link is gone and the volume `available` again.

Arguments: `vm_id`. The subject is the volume.
"""

from souche.db import volumes
from souche.errors import StorageFailed
from souche.model.disks import GuestDisk
from souche.model.operations import Operation
from souche.states import LinkState, VolumeState
from souche.workflows import locks
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts


def _attach(parts: Parts, operation: Operation) -> None:
    with parts.store.read() as connection:
        volume = volumes.get(connection, operation.subject_id)
    if volume is None or volume.link is None:
        raise StorageFailed(reason=f"the volume '{operation.subject_id}' is not linked")
    source = parts.volumes.volume_source(volume.volume_id)
    parts.hypervisor.attach(volume.link.vm_id, GuestDisk(volume.volume_id, volume.link.device_name, source))


def detach(parts: Parts, operation: Operation) -> None:
    """Unplug the volume that the operation is for."""
    parts.hypervisor.detach(str(operation.arguments["vm_id"]), operation.subject_id)


def record_attached(parts: Parts, operation: Operation) -> None:
    """The volume is in use by its VM."""
    with parts.store.begin() as connection:
        volumes.set_state(connection, operation.subject_id, VolumeState.IN_USE)
        volumes.set_link_state(connection, operation.subject_id, LinkState.ATTACHED)


def record_detached(parts: Parts, operation: Operation) -> None:
    """The volume is free again."""
    with parts.store.begin() as connection:
        volumes.unlink(connection, operation.subject_id)
        volumes.set_state(connection, operation.subject_id, VolumeState.AVAILABLE)


def _failed(parts: Parts, operation: Operation, reason: str) -> None:
    record_detached(parts, operation)


WORKFLOW = Workflow(
    name="link_volume",
    steps=(Step("attach", _attach, detach), Step("record", record_attached)),
    failed=_failed,
    lock=locks.vm_argument,
)
