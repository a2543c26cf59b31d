"""What ended exports have left in buckets: unfinished uploads, and objects of failed exports."""

from collections.abc import Iterator
from functools import cache
from typing import Final

from souche.db import export_tasks
from souche.fsck.findings import Finding
from souche.fsck.look import Observation
from souche.model.export_tasks import ExportTask
from souche.objects.base import BucketAccessRefused, NoSuchBucket, ObjectStore
from souche.states import ExportState

BY_HAND: Final = "remove it with any S3 client"


def check(look: Observation) -> Iterator[Finding]:
    """The buckets of the region's own accounts. Finds nothing if no object store can be asked."""
    if look.region.objects is None:
        return
    buckets = _Buckets(look.region.objects)
    for task in export_tasks.ended(look.connection):
        if task.bucket_account_id is not None and task.task_id not in look.busy:
            yield from _left_of(buckets, task)


def _left_of(buckets: "_Buckets", task: ExportTask) -> Iterator[Finding]:
    disks = [task.disk_key(snapshot_id) for snapshot_id in task.snapshot_ids]
    for key in sorted(set(disks) & buckets.uploads(task.bucket)):
        what = f"an upload of {key} to the bucket {task.bucket} is neither complete nor aborted"
        yield Finding("UploadLeft", task.task_id, what, advice=BY_HAND)
    if task.state != ExportState.COMPLETED:
        written = {*disks, task.manifest_key, task.companion_key}
        for key in sorted(written & buckets.keys(task.bucket, task.prefix)):
            what = f"it is '{task.state}', and {key} is in the bucket {task.bucket}"
            yield Finding("ObjectLeft", task.task_id, what, advice=BY_HAND)


class _Buckets:
    """The contents of buckets, each asked once. A missing or unreadable bucket is empty."""

    def __init__(self, objects: ObjectStore) -> None:
        self.uploads = cache(lambda bucket: _uploads(objects, bucket))
        self.keys = cache(lambda bucket, prefix: _keys(objects, bucket, prefix))


def _uploads(objects: ObjectStore, bucket: str) -> frozenset[str]:
    try:
        return frozenset(upload.key for upload in objects.uploads(bucket, ""))
    except (NoSuchBucket, BucketAccessRefused):
        return frozenset()


def _keys(objects: ObjectStore, bucket: str, prefix: str) -> frozenset[str]:
    try:
        return frozenset(objects.keys(bucket, prefix))
    except (NoSuchBucket, BucketAccessRefused):
        return frozenset()
