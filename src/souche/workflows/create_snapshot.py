"""Make a snapshot of one volume.

1. capture: freeze the volume's bytes into the snapshot, by one atomic operation; a running guest goes on.
   Undo: forget the snapshot in the volume store; the volume keeps its bytes.
2. complete: the snapshot becomes `completed`, for good.

When a step fails the snapshot becomes `error`, and holds nothing.

Arguments: `volume_id`.
"""

from souche.db import snapshots, volumes
from souche.model.operations import Operation
from souche.states import SnapshotState
from souche.storage.base import Capture
from souche.workflows import locks
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts


def _capture(parts: Parts, operation: Operation) -> None:
    volume_id = str(operation.arguments["volume_id"])
    with parts.store.read() as connection:
        volume = volumes.get(connection, volume_id)
    vm_id = volume.link.vm_id if volume and volume.link else None
    parts.volumes.capture([Capture(volume_id, operation.subject_id)], vm_id=vm_id, live=parts.live)


def forget(parts: Parts, operation: Operation) -> None:
    parts.volumes.delete_snapshot(operation.subject_id)


def complete(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        snapshots.set_state(connection, [operation.subject_id], SnapshotState.COMPLETED, progress_percent=100)


def failed(parts: Parts, operation: Operation, reason: str) -> None:
    with parts.store.begin() as connection:
        snapshots.set_failed(connection, operation.subject_id, reason)


WORKFLOW = Workflow(
    name="create_snapshot",
    steps=(Step("capture", _capture, forget), Step("complete", complete)),
    failed=failed,
    lock=locks.volume_and_its_vm,
)
