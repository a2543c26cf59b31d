"""Change the size, type or Iops of a volume, which may be attached to a running VM.

The transaction before has written the task (`pending`); the volume is as it was.

1. begin: the task is `active`.
2. grow: if the size changes. A running guest sees it immediately. Not undone: a disk may be larger than its record
   says.
3. record: the volume has its new size, type and Iops, and the task is `completed`, in one transaction. Forward only:
   the guest may already use the new space.

If a step fails, the task becomes `failed` with the reason, and the volume's record is unchanged.

The subject is the task.
"""

from souche.db import volume_updates, volumes
from souche.errors import StorageFailed
from souche.model.operations import Operation
from souche.operations.volumes import UpdateVolume
from souche.room import GIB
from souche.states import VolumeUpdateState
from souche.workflows import locks
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts


def _begin(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        volume_updates.set_state(connection, operation.subject_id, VolumeUpdateState.ACTIVE)


def _grow(parts: Parts, operation: Operation[UpdateVolume]) -> None:
    with parts.store.read() as connection:
        update = volume_updates.get(connection, operation.subject_id)
        volume = volumes.get(connection, operation.params.volume_id)
    if update is None or volume is None:
        raise StorageFailed(reason=f"the volume of {operation.subject_id} is gone")
    if update.target.size_gib == volume.size_gib:
        return
    size_bytes = update.target.size_gib * GIB
    vm_id = volume.link.vm_id if volume.link else None
    parts.volumes.grow_volume(volume.volume_id, size_bytes, vm_id=vm_id, live=parts.live)


def _record(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        update = volume_updates.get(connection, operation.subject_id)
        if update is not None:
            volumes.set_size_and_type(connection, update.volume_id, update.target)
            volume_updates.set_state(
                connection, update.task_id, VolumeUpdateState.COMPLETED, ended=parts.clock.now()
            )


def _failed(parts: Parts, operation: Operation, reason: str) -> None:
    with parts.store.begin() as connection:
        volume_updates.set_state(
            connection,
            operation.subject_id,
            VolumeUpdateState.FAILED,
            comment=reason,
            ended=parts.clock.now(),
        )


WORKFLOW = Workflow(
    params=UpdateVolume,
    steps=(Step("begin", _begin), Step("grow", _grow), Step("record", _record, forward_only=True)),
    failed=_failed,
    lock=locks.volume_and_its_vm,
)
