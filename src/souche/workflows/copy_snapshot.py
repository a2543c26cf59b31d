"""Make a snapshot with another's bytes, in constant time.

1. copy: in the volume store. Undo: forget the copy.
2. complete: the copy becomes `completed`.

If a step fails, the copy becomes `error`, and contains no data.
"""

from souche.model.operations import Operation
from souche.operations.snapshots import CopySnapshot
from souche.workflows import locks
from souche.workflows.create_snapshot import complete, failed, forget
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts


def _copy(parts: Parts, operation: Operation[CopySnapshot]) -> None:
    parts.volumes.copy_snapshot(operation.subject_id, operation.params.source_snapshot_id)


WORKFLOW = Workflow(
    params=CopySnapshot,
    steps=(Step("copy", _copy, forget), Step("complete", complete)),
    failed=failed,
    lock=locks.subject,
)
