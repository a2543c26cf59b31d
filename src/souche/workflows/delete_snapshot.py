"""Delete an unused snapshot. Forward only: each step is retried until it succeeds.

1. forget: in the volume store; blocks shared with other snapshots and volumes stay.

Ending: the record and its tags are erased.
"""

from collections.abc import Collection

from souche.db import export_tasks, images, snapshots, tags, volumes
from souche.db.transactions import Transaction
from souche.model.operations import Operation
from souche.model.snapshots import Snapshot
from souche.operations.snapshots import DeleteSnapshot, delete_snapshot
from souche.states import SnapshotState
from souche.workflows import locks
from souche.workflows.engine import Ending, Step, Workflow
from souche.workflows.parts import Parts


def _forget(parts: Parts, operation: Operation) -> None:
    parts.volumes.delete_snapshot(operation.subject_id)


def _erase(connection: Transaction, parts: Parts, operation: Operation) -> None:
    snapshots.erase(connection, [operation.subject_id])
    tags.erase(connection, operation.subject_id)


def begin_unused(connection: Transaction, snapshot_ids: Collection[str]) -> list[Operation]:
    """Mark the unused ones of the snapshots as `deleting`; the caller writes the operations that delete them. A
    snapshot that is being made, or that an image uses, or that is the source of a copy or volume being made, stays."""
    known = (snapshots.get(connection, each) for each in snapshot_ids)
    free = [each for each in known if each is not None and _is_free(connection, each)]
    ids = [each.snapshot_id for each in free]
    snapshots.set_state(connection, ids, SnapshotState.DELETING, progress_percent=100)
    return [delete_snapshot(each) for each in free]


def _is_free(connection: Transaction, snapshot: Snapshot) -> bool:
    return (
        snapshot.state in (SnapshotState.COMPLETED, SnapshotState.ERROR)
        and images.using_snapshot(connection, snapshot.snapshot_id) is None
        and not is_being_read(connection, snapshot.snapshot_id)
    )


def is_being_read(connection: Transaction, snapshot_id: str) -> bool:
    """Whether a volume or a copy is being made of the snapshot, or it is being exported."""
    cloned = volumes.creating_from_snapshot(connection, snapshot_id)
    return (
        cloned is not None
        or snapshots.is_being_copied(connection, snapshot_id)
        or export_tasks.reads(connection, snapshot_id)
    )


WORKFLOW = Workflow(
    params=DeleteSnapshot, steps=(Step("forget", _forget),), ending=Ending(_erase), lock=locks.subject
)
