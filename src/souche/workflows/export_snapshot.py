"""Write a snapshot into a bucket.

The transaction before has written the task (`queued`).

1. ensure bucket: create it if it is missing. Not undone: the account may already use the bucket.
2. write disks: read by NBD, written as one stream. Undo: remove all uploads and objects.
3. complete: the task is `completed`.

If a step fails, the task becomes `failed` with the reason; a cancelled task stays cancelled. Cancelling sets the task's
state, which this workflow checks continuously.
"""

from souche.operations.exports import ExportSnapshot
from souche.workflows import exports, locks
from souche.workflows.engine import Lane, Step, Workflow

WORKFLOW = Workflow(
    params=ExportSnapshot,
    steps=(
        Step("ensure bucket", exports.unless_completed(exports.ensure_bucket)),
        Step("write disks", exports.unless_completed(exports.write_disks), exports.remove_disks),
        Step("complete", exports.unless_completed(exports.complete)),
    ),
    failed=exports.failed,
    lock=locks.subject,
    lane=Lane.TRANSFERS,
)
