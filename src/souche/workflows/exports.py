"""The common parts of exports of images and snapshots: their disks, their progress, their end."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, TypeVar

import structlog

from souche.db import export_tasks
from souche.errors import SoucheError, StorageFailed, Unavailable
from souche.faults import Fault, FaultOnPurpose
from souche.model.export_tasks import ExportTask, WrittenDisk
from souche.model.operations import Operation, Params
from souche.objects.base import BucketAccessRefused, ObjectStore
from souche.objects.patient import Patience, PatientStore
from souche.states import ExportState
from souche.transfer import reader
from souche.transfer.export_disk import export_disk
from souche.transfer.multipart import BucketSink
from souche.words import MARKS
from souche.workflows.engine import Action, reason_of
from souche.workflows.parts import Parts

CLEANED_FOR: Final = timedelta(days=7)
"""for this long after a task's creation, the server retries to remove its leftovers from an unavailable object store"""
LOOK_BYTES: Final = 32 * 1024 * 1024
"""bytes of data between two checks for cancellation, and two records of the progress"""

_WAITING: Final = "It waits: {reason}"
_NOT_YET: Final = "Its objects cannot be removed yet: {reason}"
_LEFT: Final = (
    "These objects may be left in the bucket {bucket}, because they could not be removed: {keys} ({reason})"
)

P = TypeVar("P", bound=Params)

log = structlog.get_logger()


class ExportCancelled(SoucheError):
    """The export {task_id} was cancelled."""


def task_of(parts: Parts, operation: Operation) -> ExportTask:
    """The task of a workflow, unless it was cancelled.

    Raises:
        ExportCancelled.
    """
    task = _any_task_of(parts, operation)
    if task.state == ExportState.CANCELLED:
        raise ExportCancelled(task_id=task.task_id)
    return task


def _any_task_of(parts: Parts, operation: Operation) -> ExportTask:
    with parts.store.read() as connection:
        task = export_tasks.get(connection, operation.subject_id)
    if task is None:
        raise StorageFailed(reason=f"the task {operation.subject_id} is gone")
    return task


def unless_completed(do: Action[P]) -> Action[P]:
    """A step for a task that is not completed yet. If the journal is lost after the last step, the workflow starts
    again; the objects of a completed task are in the bucket, but their sources may be gone."""

    def act(parts: Parts, operation: Operation[P]) -> None:
        if _any_task_of(parts, operation).state != ExportState.COMPLETED:
            do(parts, operation)

    return act


def ensure_bucket(parts: Parts, operation: Operation) -> None:
    """Create the bucket if it is missing. It stays after any result of the export: its account may already use it."""
    task = task_of(parts, operation)
    with patience(parts, operation) as patient:
        patient.wait_for(lambda: parts.buckets.ensure_bucket(parts.store, task))


@contextmanager
def patience(parts: Parts, operation: Operation) -> Iterator[Patience]:
    """Patience with an unavailable object store: the task's note mentions it, and a cancellation ends it."""

    def ask(reason: str) -> None:
        note = _WAITING.format(reason=reason)
        if task_of(parts, operation).note != note:
            _note(parts, operation.subject_id, note)

    try:
        yield Patience(parts.buckets.patience_seconds, ask)
    finally:
        if _any_task_of(parts, operation).note is not None:
            _note(parts, operation.subject_id, None)


def write_disks(parts: Parts, operation: Operation) -> None:
    """Write the disks, one after the other; those that were written before a crash are not written again, if they are
    still there."""
    account_id = task_of(parts, operation).account_id
    with parts.buckets.turns.turn(account_id, ask=lambda: task_of(parts, operation)):
        task = task_of(parts, operation)
        parts.buckets.room_of(task).ask()
        with parts.store.begin() as connection:
            export_tasks.set_state(connection, task.task_id, ExportState.ACTIVE)
            written = export_tasks.written_disks(connection, task.task_id)
        with patience(parts, operation) as patient:
            store = PatientStore(parts.buckets.store_of(task), patient)
            written = _still_there(store, task, written)
            progress = _Progress(parts, operation, _data_bytes(parts, task, written), _fault_of(parts, task))
            for snapshot_id in task.snapshot_ids:
                if snapshot_id not in written:
                    _write_disk(parts, task, snapshot_id, store, progress)
                progress.finish(snapshot_id)


def _still_there(
    store: ObjectStore, task: ExportTask, written: dict[str, WrittenDisk]
) -> dict[str, WrittenDisk]:
    """The written disks that the bucket still has, or all of them if these credentials may write but not list. A
    restored region has records of written disks, and empty buckets."""
    try:
        there = {
            each for each in written if task.disk_key(each) in store.keys(task.bucket, task.disk_key(each))
        }
    except BucketAccessRefused:
        return written
    return {each: disk for each, disk in written.items() if each in there}


def _fault_of(parts: Parts, task: ExportTask) -> Fault | None:
    """The injected fault that fails this task half-way."""
    action = "CreateSnapshotExportTask" if task.image is None else "CreateImageExportTask"
    return parts.faults.take(action, task.account_id, half_way=True) if parts.faults else None


def _write_disk(
    parts: Parts, task: ExportTask, snapshot_id: str, store: ObjectStore, progress: "_Progress"
) -> None:
    with parts.volumes.read_snapshot(snapshot_id) as uri:
        exported = export_disk(
            uri,
            task.disk_format,
            BucketSink(store, task.bucket, task.disk_key(snapshot_id)),
            progress=lambda done, total: progress.tell(snapshot_id, done, total),
        )
    disk = WrittenDisk(
        snapshot_id=snapshot_id,
        data_bytes=exported.data_bytes,
        disk_bytes=exported.disk_bytes,
        disk_tree_sha256=exported.disk_tree_sha256,
        object_bytes=exported.object_bytes,
        object_sha256=exported.object_sha256,
    )
    with parts.store.begin() as connection:
        export_tasks.record_disk(connection, task.task_id, disk)


def _data_bytes(parts: Parts, task: ExportTask, written: Mapping[str, WrittenDisk]) -> dict[str, int]:
    """The amount of data of each disk. A single disk reports it while it is written."""
    known = {snapshot_id: disk.data_bytes for snapshot_id, disk in written.items()}
    others = [snapshot_id for snapshot_id in task.snapshot_ids if snapshot_id not in known]
    if len(task.snapshot_ids) > 1:
        for snapshot_id in others:
            with parts.volumes.read_snapshot(snapshot_id) as uri, reader.connect(uri) as disk:
                known[snapshot_id] = disk.allocation().data_bytes
    return known


class _Progress:
    """Records the progress of all disks together."""

    def __init__(
        self, parts: Parts, operation: Operation, data_bytes: dict[str, int], fault: Fault | None
    ) -> None:
        self._parts = parts
        self._operation = operation
        self._data_bytes = data_bytes
        self._fault = fault
        self._finished_bytes = 0
        self._next_look = 0
        self._counted = 0

    def tell(self, snapshot_id: str, done: int, total: int) -> None:
        """Record the progress of a disk.

        Raises:
            ExportCancelled. OutOfSpace: the reserve of the region's medium is reached. FaultOnPurpose.
        """
        self._data_bytes[snapshot_id] = total
        self._parts.tally.exported(max(done - self._counted, 0))
        self._counted = done  # each disk and each attempt starts at 0
        if self._fault and 2 * (self._finished_bytes + done) >= sum(self._data_bytes.values()):
            self._record(done)
            raise FaultOnPurpose(self._fault)
        if done == 0 or done >= self._next_look:
            self._next_look = done + LOOK_BYTES
            task = task_of(self._parts, self._operation)
            self._parts.buckets.room_of(task).check()
            self._record(done)

    def finish(self, snapshot_id: str) -> None:
        """Record that a disk is complete."""
        self._finished_bytes += self._data_bytes[snapshot_id]
        self._record(0)

    def _record(self, done: int) -> None:
        done_bytes, total_bytes = self._finished_bytes + done, sum(self._data_bytes.values())
        with self._parts.store.begin() as connection:
            export_tasks.set_progress(connection, self._operation.subject_id, done_bytes, total_bytes)


def remove_disks(parts: Parts, operation: Operation) -> None:
    """Remove the disks and uploads from the bucket."""
    task = _any_task_of(parts, operation)
    _clean(parts, task, [task.disk_key(snapshot_id) for snapshot_id in task.snapshot_ids])


def remove_manifest(parts: Parts, operation: Operation) -> None:
    """Remove the manifest and the companion from the bucket."""
    task = _any_task_of(parts, operation)
    _clean(parts, task, [task.manifest_key, task.companion_key])


def _clean(parts: Parts, task: ExportTask, keys: Sequence[str]) -> None:
    """Remove all objects and uploads with these keys. The snapshots are released before, without waiting for the
    bucket.

    While the store is unavailable this is retried, for `CLEANED_FOR` from the task's creation. Any other error is
    permanent: leftovers stay, and the task's note and the log name them.

    Raises:
        ObjectsUnavailable.
    """
    with parts.store.begin() as connection:
        export_tasks.release(connection, task.task_id)
    left: dict[str, str] = {}
    for key in keys:
        reason = _removed(parts, task, key)
        if reason is not None:
            left[key] = reason
    if left:
        reason = next(iter(left.values()))
        log.warning(
            "left in a bucket", task_id=task.task_id, bucket=task.bucket, keys=list(left), reason=reason
        )
        _note(parts, task.task_id, _LEFT.format(bucket=task.bucket, keys=", ".join(left), reason=reason))


def _removed(parts: Parts, task: ExportTask, key: str) -> str | None:
    """Remove an object and the uploads to its key, each even if the other is refused. Returns the reason of a failure,
    if there was one."""
    reason = None
    for removal in (BucketSink.abort, BucketSink.delete):
        try:
            removal(BucketSink(parts.buckets.store_of(task), task.bucket, key))
        except Unavailable as error:
            if parts.clock.now() - task.creation_date < CLEANED_FOR:
                _note(parts, task.task_id, _NOT_YET.format(reason=error.public_message(MARKS)))
                raise
            reason = reason_of(error)
        except Exception as error:
            reason = reason_of(error)
    return reason


def _note(parts: Parts, task_id: str, note: str | None) -> None:
    with parts.store.begin() as connection:
        export_tasks.set_note(connection, task_id, note)


def complete(parts: Parts, operation: Operation) -> None:
    """Record the task as `completed`, unless it was cancelled at the last moment."""
    with parts.store.begin() as connection:
        task = export_tasks.get(connection, operation.subject_id)
        if task is None or task.state == ExportState.CANCELLED:
            raise ExportCancelled(task_id=operation.subject_id)
        export_tasks.end(connection, task.task_id, state=ExportState.COMPLETED)


def failed(parts: Parts, operation: Operation, reason: str) -> None:
    """Record the task as `failed` with the reason, unless it was cancelled."""
    with parts.store.begin() as connection:
        task = export_tasks.get(connection, operation.subject_id)
        if task is None or task.state == ExportState.CANCELLED:
            export_tasks.end(connection, operation.subject_id)
            parts.tally.cancelled(operation.operation_id)
        else:
            export_tasks.end(
                connection,
                task.task_id,
                state=ExportState.FAILED,
                comment=reason,
                done_bytes=0,
                total_bytes=0,
                sealed_manifest_url=None,
            )
