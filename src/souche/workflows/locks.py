"""What workflows work on.

A volume's source changes with every capture, so telling it to a hypervisor and capturing must not
meet: the one would go on writing to what the other has frozen. Hence:

- whatever defines, starts, stops or removes a VM, or changes its disks, locks the VM;
- whatever attaches, captures or deletes a volume locks the volume, and the VM that it is attached to;
- a VM is started with its `attached` volumes only: a volume becomes one under both locks (`link_volume`).

An operation's locks are worked out once, when it is requested, and are written beside it (`enqueue`); of two operations
that have one in common the earlier is done first. So they need not follow what changes meanwhile: a volume that is
attached to another VM later is so by an operation that waits for all earlier ones that lock the volume.
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
    """The volume that the workflow is for, and the VM that it comes to or goes from."""
    return frozenset({operation.subject_id, operation.params.vm_id})


def vm_and_captured_volumes(connection: Transaction, operation: Operation[CreateImage]) -> frozenset[str]:
    """The VM, and the volumes whose snapshots make up the image."""
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
