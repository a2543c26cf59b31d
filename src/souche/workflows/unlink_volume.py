"""Detach a volume from its VM.

1. detach: the hypervisor unplugs it; a running guest must let go of it. Nothing to undo: a guest that does not
   let go still has it.
2. record: the volume is `available`.

When the guest does not let go the link is `attached` as before, and the volume `in-use`.

Arguments: `vm_id`. The subject is the volume.
"""

from souche.model.operations import Operation
from souche.workflows import locks
from souche.workflows.engine import Step, Workflow
from souche.workflows.link_volume import detach, record_attached, record_detached
from souche.workflows.parts import Parts


def _failed(parts: Parts, operation: Operation, reason: str) -> None:
    record_attached(parts, operation)


WORKFLOW = Workflow(
    name="unlink_volume",
    steps=(Step("detach", detach), Step("record", record_detached)),
    failed=_failed,
    lock=locks.vm_argument,
)
