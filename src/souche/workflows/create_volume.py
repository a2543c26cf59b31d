"""Make a volume, empty or from a snapshot.

1. make: in the volume store, in constant time. Undo: forget it there.
2. record: it is `available`.

When a step fails the volume becomes `error`, and holds nothing.
"""

from souche.db import volumes
from souche.errors import StorageFailed
from souche.model.operations import Operation
from souche.states import VolumeState
from souche.workflows import locks
from souche.workflows.create_vm import make_volume
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts


def _make(parts: Parts, operation: Operation) -> None:
    with parts.store.read() as connection:
        volume = volumes.get(connection, operation.subject_id)
    if volume is None:
        raise StorageFailed(reason=f"the volume '{operation.subject_id}' is not in the database")
    make_volume(parts, volume)


def _forget(parts: Parts, operation: Operation) -> None:
    parts.volumes.delete_volume(operation.subject_id)


def _record(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        volumes.set_state(connection, operation.subject_id, VolumeState.AVAILABLE)


def _failed(parts: Parts, operation: Operation, reason: str) -> None:
    with parts.store.begin() as connection:
        volumes.set_state(connection, operation.subject_id, VolumeState.ERROR)


WORKFLOW = Workflow(
    name="create_volume",
    steps=(Step("make", _make, _forget), Step("record", _record)),
    failed=_failed,
    lock=locks.subject,
)
