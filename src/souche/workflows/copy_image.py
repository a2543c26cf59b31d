"""Make an independent copy of an image.

The transaction before has written the copy (`pending`) and one snapshot (`in-queue`) for each of the source's.

1. copy: each snapshot, in the volume store, in constant time. Undo: forget the copies.
2. complete: the snapshots become `completed` and the image `available`, in one transaction.

If a step fails, the image becomes `failed` with the reason, and its snapshots are removed.
"""

from souche.db import snapshots
from souche.model.operations import Operation
from souche.operations.images import CopyImage
from souche.workflows import create_image, locks
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts


def _copy(parts: Parts, operation: Operation) -> None:
    with parts.store.read() as connection:
        copies = snapshots.of_image_creation(connection, operation.subject_id)
    for snapshot in copies:
        parts.volumes.copy_snapshot(snapshot.snapshot_id, snapshot.source_snapshot_id or "")


WORKFLOW = Workflow(
    params=CopyImage,
    steps=(
        Step("copy", create_image.unless_complete(_copy), create_image.forget),
        Step("complete", create_image.unless_complete(create_image.complete)),
    ),
    failed=create_image.failed,
    lock=locks.subject,
)
