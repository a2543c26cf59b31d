"""Make a snapshot with another's bytes, in constant time.

1. copy: in the volume store. Undo: forget the copy.
2. complete: the copy becomes `completed`.

When a step fails the copy becomes `error`, and holds nothing.

Arguments: `source_snapshot_id`.
"""

from souche.model.operations import Operation
from souche.workflows import locks
from souche.workflows.create_snapshot import complete, failed, forget
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts


def _copy(parts: Parts, operation: Operation) -> None:
    parts.volumes.copy_snapshot(operation.subject_id, str(operation.arguments["source_snapshot_id"]))


WORKFLOW = Workflow(
    name="copy_snapshot",
    steps=(Step("copy", _copy, forget), Step("complete", complete)),
    failed=failed,
    lock=locks.subject,
)
