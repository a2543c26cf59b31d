"""What a workflow locks: the VM that the resource belongs to, or the resource itself."""

from souche.db import volumes
from souche.model.operations import Operation
from souche.workflows.parts import Parts


def subject(parts: Parts, operation: Operation) -> str | None:
    """The resource that the workflow is for."""
    return operation.subject_id


def vm_argument(parts: Parts, operation: Operation) -> str | None:
    """The VM that the arguments name."""
    return str(operation.arguments["vm_id"])


def vm_of_volume(parts: Parts, operation: Operation) -> str | None:
    """The VM that the argument's volume is attached to, or the volume when it is attached to none."""
    volume_id = str(operation.arguments["volume_id"])
    with parts.store.read() as connection:
        volume = volumes.get(connection, volume_id)
    return volume.link.vm_id if volume and volume.link else volume_id
