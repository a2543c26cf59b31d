"""The resources that workflows lock.

A volume's source changes with every capture. A hypervisor must not get the source during a capture: its guest would
continue to write to the frozen layer. Therefore:

- a workflow that defines, starts, stops or removes a VM, or changes its disks, locks the VM;
- a workflow that attaches, captures or deletes a volume locks the volume, and the VM that it is attached to;
- a VM starts with its `attached` volumes only: a volume becomes `attached` under both locks (`link_volume`).

An operation's locks are determined once, when it is requested, and recorded with it (`enqueue`). If two operations
share a lock, the earlier runs first. So locks need not follow later changes: an operation that attaches the volume to
another VM waits for all earlier operations that lock the volume.
"""

from souche.db import snapshots, volumes
from souche.db.transactions import Transaction
from souche.model.operations import Operation
from souche.operations.images import CreateImage
from souche.operations.snapshots import CreateSnapshot
from souche.operations.volumes import LinkVolume, UnlinkVolume, UpdateVolume


def nothing(connection: Transaction, operation: Operation) -> frozenset[str]:
    """The workflow needs no lock."""
    return frozenset()


def subject(connection: Transaction, operation: Operation) -> frozenset[str]:
    """The resource that the workflow is for."""
    return frozenset({operation.subject_id})


def volume_and_vm(connection: Transaction, operation: Operation[LinkVolume | UnlinkVolume]) -> frozenset[str]:
    """The workflow's volume, and the VM that it is attached to or detached from."""
    return frozenset({operation.subject_id, operation.params.vm_id})


def vm_and_captured_volumes(connection: Transaction, operation: Operation[CreateImage]) -> frozenset[str]:
    """The VM, and the volumes whose snapshots form the image."""
    made = snapshots.of_image_creation(connection, operation.subject_id)
    captured = {snapshot.volume_id for snapshot in made if snapshot.volume_id}
    return frozenset({operation.params.vm_id, *captured})


def volume_and_its_vm(
    connection: Transaction, operation: Operation[CreateSnapshot | UpdateVolume]
) -> frozenset[str]:
    """The volume of the operation, and the VM that it is attached to, if any."""
    volume_id = operation.params.volume_id
    volume = volumes.get(connection, volume_id)
    return frozenset({volume_id, volume.link.vm_id} if volume and volume.link else {volume_id})
