"""Write new URLs into the manifest of a completed export.

The transaction before has recorded the key to the bucket, if the bucket is another account's.

1. write URLs: the manifest is read from the bucket and checked. Its companion, if there is one, must contain its hash.
   It must name only this export's disks, and all of them must exist. Then it is rewritten with new URLs of the disks
   and of the companion. The companion does not change: its hash of the manifest excludes the URLs, so the signature
   stays valid. Not undone: the old URLs keep their lifetime.
2. end: the key to the bucket is erased.

If a step fails, the task gets the reason (`refresh_problem`), and the export is unchanged.
"""

from datetime import timedelta

from souche.db import export_tasks
from souche.errors import Invalid
from souche.formats import companion as companions
from souche.formats import manifest as manifests
from souche.formats.companion import HASH_KEY, METADATA_KEY, read_companion, sha256_of
from souche.model.export_tasks import DAY_SECONDS, ExportTask
from souche.model.operations import Operation
from souche.objects.base import ObjectStore
from souche.objects.patient import PatientStore
from souche.operations.exports import RefreshExport
from souche.value_refusals import ManifestDiffers
from souche.workflows import exports, locks
from souche.workflows.engine import Lane, Step, Workflow
from souche.workflows.parts import Parts


class ExportDiffers(Invalid):
    """The bucket {bucket} no longer has this export: {reason}"""


def _write_urls(parts: Parts, operation: Operation[RefreshExport]) -> None:
    task = exports.task_of(parts, operation)
    seconds = operation.params.days * DAY_SECONDS
    with exports.patience(parts, operation) as patient:
        objects = PatientStore(parts.buckets.store_of(task), patient)
        there = set(objects.keys(task.bucket, task.prefix))
        patient.wait_for(lambda: parts.buckets.ensure_bucket(parts.store, task))  # checks its owner
        manifest = _manifest(objects, task, there)
        metadata = _metadata(objects, task, there, manifest, seconds)
        until = parts.clock.now() + timedelta(seconds=seconds)
        refreshed = _refreshed(objects, task, there, manifest, seconds)
        objects.put(task.bucket, task.manifest_key, refreshed, metadata=metadata)
        url = objects.presign(task.bucket, task.manifest_key, seconds)
    with parts.store.begin() as connection:
        export_tasks.set_manifest_url(connection, task.task_id, parts.vault.seal(url), until)


def _manifest(objects: ObjectStore, task: ExportTask, there: set[str]) -> bytes:
    _check_there(task, there, task.manifest_key)
    manifest = objects.get(task.bucket, task.manifest_key, most_bytes=manifests.MOST_BYTES)
    manifests.read_manifest(manifest)
    return manifest


def _metadata(
    objects: ObjectStore, task: ExportTask, there: set[str], manifest: bytes, seconds: int
) -> dict[str, str]:
    """The metadata that leads to the companion; empty if there is none.

    Raises:
        BadSignature, BadManifest: it was changed. ManifestDiffers: the manifest was.
    """
    if task.companion_key not in there:
        return {}
    data = objects.get(task.bucket, task.companion_key, most_bytes=companions.MOST_BYTES)
    expected = read_companion(data).manifest_sha256
    if expected not in (None, manifests.digest(manifest)):
        raise ManifestDiffers(reason="the manifest in the bucket has changed since its export")
    url = objects.presign(task.bucket, task.companion_key, seconds)
    return {METADATA_KEY: url, HASH_KEY: sha256_of(data)}


def _refreshed(
    objects: ObjectStore, task: ExportTask, there: set[str], manifest: bytes, seconds: int
) -> bytes:
    """The manifest with new URLs for this export's disks, and for no other object that it may name."""
    known = {task.disk_key(snapshot_id) for snapshot_id in task.snapshot_ids}

    def url_of(disk: manifests.ManifestDisk) -> str:
        key = f"{task.prefix}{disk.filename}"
        if key not in known:
            raise ExportDiffers(bucket=task.bucket, reason=f"its manifest names {disk.filename}")
        _check_there(task, there, key)
        return objects.presign(task.bucket, key, seconds)

    return manifests.with_urls(manifest, url_of)


def _check_there(task: ExportTask, there: set[str], key: str) -> None:
    if key not in there:
        raise ExportDiffers(bucket=task.bucket, reason=f"{key} is missing")


def _end(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        export_tasks.end_refresh(connection, operation.subject_id, None)


def _failed(parts: Parts, operation: Operation, reason: str) -> None:
    with parts.store.begin() as connection:
        export_tasks.end_refresh(connection, operation.subject_id, reason)


WORKFLOW = Workflow(
    params=RefreshExport,
    steps=(Step("write URLs", _write_urls), Step("end", _end)),
    failed=_failed,
    lock=locks.subject,
    lane=Lane.TRANSFERS,
)
