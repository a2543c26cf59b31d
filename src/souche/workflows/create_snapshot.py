"""Make a snapshot of one volume.

1. capture: freeze the volume's bytes into the snapshot, by one atomic operation; a running guest continues. The
   snapshot gets the captured size.
   Undo: forget the snapshot in the volume store; the volume keeps its bytes.
2. complete: the snapshot becomes `completed`, permanently.

If a step fails, the snapshot becomes `error`, and contains no data.
"""

from souche.db import snapshots, volumes
from souche.db.transactions import Transaction
from souche.model.operations import Operation
from souche.operations.snapshots import CreateSnapshot
from souche.room import GIB
from souche.states import SnapshotState
from souche.storage.base import Capture, CaptureReport
from souche.workflows import locks
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts


def _capture(parts: Parts, operation: Operation[CreateSnapshot]) -> None:
    volume_id = operation.params.volume_id
    with parts.store.read() as connection:
        volume = volumes.get(connection, volume_id)
    vm_id = volume.link.vm_id if volume and volume.link else None
    wanted = [Capture(volume_id, operation.subject_id)]
    report = parts.volumes.capture(wanted, vm_id=vm_id, live=parts.live)
    with parts.store.begin() as connection:
        record_sizes(connection, report)


def record_sizes(connection: Transaction, report: CaptureReport) -> dict[str, int]:
    """Record the captured sizes, and return them in GiB by snapshot id: a volume may have grown since the request."""
    sizes_gib = {key: -(-size_bytes // GIB) for key, size_bytes in report.sizes_bytes.items()}
    for snapshot_id, size_gib in sizes_gib.items():
        snapshots.set_size(connection, snapshot_id, size_gib)
    return sizes_gib


def forget(parts: Parts, operation: Operation) -> None:
    parts.volumes.delete_snapshot(operation.subject_id)


def complete(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        snapshots.set_state(connection, [operation.subject_id], SnapshotState.COMPLETED, progress_percent=100)


def failed(parts: Parts, operation: Operation, reason: str) -> None:
    with parts.store.begin() as connection:
        snapshots.set_failed(connection, operation.subject_id, reason)


WORKFLOW = Workflow(
    params=CreateSnapshot,
    steps=(Step("capture", _capture, forget), Step("complete", complete)),
    failed=failed,
    lock=locks.volume_and_its_vm,
)
