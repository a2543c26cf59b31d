"""What the exports of images and of snapshots have in common: their disks, their progress, their end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import structlog

from souche.db import export_tasks
from souche.errors import SoucheError, StorageFailed
from souche.model.export_tasks import ExportTask, WrittenDisk
from souche.model.operations import Operation
from souche.objects.base import BucketAccessRefused, NoSuchBucket
from souche.refusals import NoObjectStore
from souche.states import ExportState
from souche.transfer import reader
from souche.transfer.export_disk import export_disk
from souche.transfer.multipart import BucketSink
from souche.workflows.parts import Parts

LOOK_BYTES: Final = 32 * 1024 * 1024
"""of data read between two looks at whether the task was cancelled, and two records of the progress"""

log = structlog.get_logger()


class ExportCancelled(SoucheError):
    """The export {task_id} was cancelled."""


def task_of(parts: Parts, operation: Operation) -> ExportTask:
    """The task that a workflow is for, as long as it is wanted.

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


def ensure_bucket(parts: Parts, operation: Operation) -> None:
    """Make the bucket if it is missing. It stays, whatever comes of the export: its account may use it already."""
    parts.buckets.ensure_bucket(parts.store, task_of(parts, operation))


def write_disks(parts: Parts, operation: Operation) -> None:
    """Write the disks, one after the other; those that were written before a crash are not written again."""
    account_id = task_of(parts, operation).account_id
    with parts.buckets.turns.turn(account_id, ask=lambda: task_of(parts, operation)):
        task = task_of(parts, operation)
        with parts.store.begin() as connection:
            export_tasks.set_state(connection, task.task_id, ExportState.ACTIVE)
            written = export_tasks.written_disks(connection, task.task_id)
        progress = _Progress(parts, operation, _data_bytes(parts, task, written))
        for snapshot_id in task.snapshot_ids:
            if snapshot_id not in written:
                _write_disk(parts, task, snapshot_id, progress)
            progress.finish(snapshot_id)


def _write_disk(parts: Parts, task: ExportTask, snapshot_id: str, progress: "_Progress") -> None:
    with parts.volumes.read_snapshot(snapshot_id) as uri:
        exported = export_disk(
            uri,
            task.disk_format,
            _sink(parts, task, snapshot_id),
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


def _sink(parts: Parts, task: ExportTask, snapshot_id: str) -> BucketSink:
    return BucketSink(parts.buckets.store_of(task), task.bucket, task.disk_key(snapshot_id))


def _data_bytes(parts: Parts, task: ExportTask, written: Mapping[str, WrittenDisk]) -> dict[str, int]:
    """How much data each disk holds. One alone, which is not written yet, will tell by itself."""
    known = {snapshot_id: disk.data_bytes for snapshot_id, disk in written.items()}
    others = [snapshot_id for snapshot_id in task.snapshot_ids if snapshot_id not in known]
    if len(task.snapshot_ids) > 1:
        for snapshot_id in others:
            with parts.volumes.read_snapshot(snapshot_id) as uri, reader.connect(uri) as disk:
                known[snapshot_id] = disk.allocation().data_bytes
    return known


class _Progress:
    """Records how far all disks together are."""

    def __init__(self, parts: Parts, operation: Operation, data_bytes: dict[str, int]) -> None:
        self._parts = parts
        self._operation = operation
        self._data_bytes = data_bytes
        self._finished_bytes = 0
        self._next_look = 0

    def tell(self, snapshot_id: str, done: int, total: int) -> None:
        """So much of a disk is done.

        Raises:
            ExportCancelled.
        """
        self._data_bytes[snapshot_id] = total
        if done == 0 or done >= self._next_look:
            self._next_look = done + LOOK_BYTES
            task_of(self._parts, self._operation)
            self._record(done)

    def finish(self, snapshot_id: str) -> None:
        """A disk is done."""
        self._finished_bytes += self._data_bytes[snapshot_id]
        self._record(0)

    def _record(self, done: int) -> None:
        done_bytes, total_bytes = self._finished_bytes + done, sum(self._data_bytes.values())
        with self._parts.store.begin() as connection:
            export_tasks.set_progress(connection, self._operation.subject_id, done_bytes, total_bytes)


def remove_disks(parts: Parts, operation: Operation) -> None:
    """Leave no disk and no upload in the bucket."""
    task = _any_task_of(parts, operation)
    with _may_be_out_of_reach(task):
        for snapshot_id in task.snapshot_ids:
            _sink(parts, task, snapshot_id).remove()
    with parts.store.begin() as connection:
        export_tasks.forget_disks(connection, task.task_id)


def remove_manifest(parts: Parts, operation: Operation) -> None:
    """Leave neither manifest nor companion in the bucket."""
    task = _any_task_of(parts, operation)
    with _may_be_out_of_reach(task):
        for key in (task.manifest_key, task.companion_key):
            parts.buckets.store_of(task).delete(task.bucket, key)


@contextmanager
def _may_be_out_of_reach(task: ExportTask) -> Iterator[None]:
    """What the region is not let into any more, it cannot clean either: to try for ever would help nobody."""
    try:
        yield
    except (BucketAccessRefused, NoSuchBucket, NoObjectStore) as error:
        log.warning("nothing can be removed from the bucket", task_id=task.task_id, reason=str(error))


def complete(parts: Parts, operation: Operation) -> None:
    """The task is `completed`, unless it was cancelled at the last moment."""
    with parts.store.begin() as connection:
        task = export_tasks.get(connection, operation.subject_id)
        if task is None or task.state == ExportState.CANCELLED:
            raise ExportCancelled(task_id=operation.subject_id)
        export_tasks.end(connection, task.task_id, state=ExportState.COMPLETED)


def failed(parts: Parts, operation: Operation, reason: str) -> None:
    """The task is `failed` with the reason, unless it was cancelled."""
    with parts.store.begin() as connection:
        task = export_tasks.get(connection, operation.subject_id)
        if task is None or task.state == ExportState.CANCELLED:
            export_tasks.end(connection, operation.subject_id)
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
