"""Make a snapshot from a disk at a URL.

The transaction before has written the snapshot (`in-queue`), and the URL of its disk.

1. take in: the disk is downloaded into a file, inspected and checked, and imported into the volume store. Meanwhile the
   snapshot is `pending` and shows the progress. Undo: forget the snapshot in the volume store, and the file.
2. complete: the snapshot becomes `completed`, permanently.
3. forget source: the file and the URL. Forward only, because the snapshot already exists.

If a step fails, the snapshot becomes `error`, and contains no data. Deleting the snapshot cancels the import: it
becomes `deleting`, which this workflow checks continuously, and is erased.
"""

from souche.db import disk_imports, snapshots, tags
from souche.model.operations import Operation
from souche.operations.snapshots import ImportSnapshot
from souche.states import SnapshotState
from souche.workflows import create_snapshot, imported_disks, locks
from souche.workflows.engine import Lane, Step, Workflow
from souche.workflows.parts import Parts


def _complete(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        imported_disks.check_wanted(connection, operation.subject_id)
        snapshots.set_state(connection, [operation.subject_id], SnapshotState.COMPLETED, progress_percent=100)


def _forget_source(parts: Parts, operation: Operation) -> None:
    imported_disks.remove_files(parts, operation)
    with parts.store.begin() as connection:
        disk_imports.erase(connection, [operation.subject_id])


def _failed(parts: Parts, operation: Operation, reason: str) -> None:
    _forget_source(parts, operation)
    with parts.store.begin() as connection:
        snapshot = snapshots.get(connection, operation.subject_id)
        if snapshot is not None and snapshot.state == SnapshotState.DELETING:
            snapshots.erase(connection, [operation.subject_id])
            tags.erase(connection, operation.subject_id)
            parts.tally.cancelled(operation.operation_id)
            return
    create_snapshot.failed(parts, operation, reason)


WORKFLOW = Workflow(
    params=ImportSnapshot,
    steps=(
        Step("take in", imported_disks.take_in, imported_disks.forget),
        Step("complete", _complete),
        Step("forget source", _forget_source, forward_only=True),
    ),
    failed=_failed,
    lock=locks.subject,
    lane=Lane.TRANSFERS,
)
