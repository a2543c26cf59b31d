"""Make a volume, empty or from a snapshot.

1. make: in the volume store, in constant time. Undo: forget it there.
Ending: it is `available`. If a step fails, it becomes `error`, and contains no data.
"""

from souche.db import volumes
from souche.db.transactions import Transaction
from souche.errors import StorageFailed
from souche.model.operations import Operation
from souche.operations.volumes import CreateVolume
from souche.states import VolumeState
from souche.workflows import locks
from souche.workflows.create_vm import make_volume
from souche.workflows.engine import Ending, Step, Workflow
from souche.workflows.parts import Parts


def _make(parts: Parts, operation: Operation) -> None:
    with parts.store.read() as connection:
        volume = volumes.get(connection, operation.subject_id)
    if volume is None:
        raise StorageFailed(reason=f"the volume '{operation.subject_id}' is not in the database")
    make_volume(parts, volume)


def _forget(parts: Parts, operation: Operation) -> None:
    parts.volumes.delete_volume(operation.subject_id)


def _record(connection: Transaction, parts: Parts, operation: Operation) -> None:
    volumes.set_state(connection, operation.subject_id, VolumeState.AVAILABLE)


def _failed(connection: Transaction, parts: Parts, operation: Operation, reason: str) -> None:
    volumes.set_state(connection, operation.subject_id, VolumeState.ERROR)


WORKFLOW = Workflow(
    params=CreateVolume,
    steps=(Step("make", _make, _forget),),
    ending=Ending(_record, _failed),
    lock=locks.subject,
)
