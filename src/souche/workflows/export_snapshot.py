"""Write a snapshot into a bucket.

The transaction before has written the task (`queued`).

1. ensure bucket: made if it is missing. Not undone: a bucket stays, its account may use it already.
2. write disks: read by NBD, written as one stream. Undo: no upload and no object is left.
3. complete: the task is `completed`.

When a step fails the task becomes `failed` with the reason; one that was cancelled stays so. Cancelling it sets its
state, which this workflow looks at all the time.
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
