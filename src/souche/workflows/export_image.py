"""Write an image into a bucket: its disks, its manifest, and the companion with the data that a manifest cannot hold.

The transaction before has written the task (`queued`), with the image as it was then.

1. ensure bucket: create it if it is missing. Not undone: the account may already use the bucket.
2. write disks: each is read by NBD and written as one stream, only once even if two devices have it. A complete disk is
   recorded, and not written again after a crash. Undo: remove all uploads and objects.
3. write manifest: the companion, then the manifest, whose URLs work for seven days from now on. Undo: remove both.
4. complete: the task is `completed`.

If a step fails, the task becomes `failed` with the reason; a cancelled task stays cancelled. Cancelling sets the task's
state, which this workflow checks continuously.

A manifest cannot describe a mapping without a snapshot (an empty volume): the companion contains it. The region's key
signs the companion, which contains the hashes of the manifest and of every disk.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from souche.db import export_tasks
from souche.db import region as region_records
from souche.db.schema import utc_text
from souche.errors import StorageFailed
from souche.formats.companion import (
    HASH_KEY,
    METADATA_KEY,
    Companion,
    CompanionDisk,
    EmptyVolume,
    Signer,
    sha256_of,
    sign_companion,
)
from souche.formats.manifest import Manifest, ManifestDisk, digest, write_manifest
from souche.model.export_tasks import MANIFEST_SECONDS, ExportTask, WrittenDisk
from souche.model.images import Image, ImageMapping, Lineage
from souche.model.operations import Operation
from souche.objects.base import ObjectStore
from souche.objects.patient import PatientStore
from souche.operations.exports import ExportImage
from souche.room import GIB
from souche.workflows import exports, locks
from souche.workflows.engine import Lane, Step, Workflow
from souche.workflows.parts import Parts


def _write_manifest(parts: Parts, operation: Operation[ExportImage]) -> None:
    task = exports.task_of(parts, operation)
    image = _image_of(task)
    with parts.store.read() as connection:
        disks = export_tasks.written_disks(connection, task.task_id)
    signer = _signer(parts, operation.params.region)
    with exports.patience(parts, operation) as patient:
        objects = PatientStore(parts.buckets.store_of(task), patient)
        manifest = write_manifest(_manifest(task, image, disks, objects))
        unsigned = _companion(task, image, disks, signer)
        companion = sign_companion(replace(unsigned, manifest_sha256=digest(manifest)), parts.signing_key)
        objects.put(task.bucket, task.companion_key, companion, metadata={})
        metadata = {
            METADATA_KEY: _url(objects, task, task.companion_key),
            HASH_KEY: sha256_of(companion),
        }
        objects.put(task.bucket, task.manifest_key, manifest, metadata=metadata)
    sealed = parts.vault.seal(_url(objects, task, task.manifest_key))
    with parts.store.begin() as connection:
        until = parts.clock.now() + timedelta(seconds=MANIFEST_SECONDS)
        export_tasks.set_manifest_url(connection, task.task_id, sealed, until)


def _signer(parts: Parts, region: str) -> Signer:
    with parts.store.read() as connection:
        region_id = region_records.region_id(connection)
    return Signer(region_id, region, parts.signing_key.public)


def _image_of(task: ExportTask) -> Image:
    if task.image is None:
        raise StorageFailed(reason=f"the task {task.task_id} has no image")
    return task.image


def _manifest(
    task: ExportTask, image: Image, disks: Mapping[str, WrittenDisk], objects: ObjectStore
) -> Manifest:
    return Manifest(
        name=image.name,
        description=image.description,
        product_codes=image.product_codes,
        architecture=image.architecture,
        disks=tuple(
            _manifest_disk(task, mapping, disks[mapping.snapshot_id], objects)
            for mapping in image.mappings
            if mapping.snapshot_id
        ),
    )


def _manifest_disk(
    task: ExportTask, mapping: ImageMapping, disk: WrittenDisk, objects: ObjectStore
) -> ManifestDisk:
    """The size is that of the mapping: an io1 volume may need to be larger than its snapshot, also after an import."""
    return ManifestDisk(
        device_name=mapping.device_name,
        url=_url(objects, task, task.disk_key(disk.snapshot_id)),
        size_bytes=max(disk.disk_bytes, mapping.volume_size_gib * GIB),
        filename=_filename(task, disk.snapshot_id),
        volume_type=mapping.volume_type,
        iops=mapping.iops,
        delete_on_vm_deletion=mapping.delete_on_vm_deletion,
    )


def _companion(task: ExportTask, image: Image, disks: Mapping[str, WrittenDisk], signer: Signer) -> Companion:
    pause = image.guest_pause_seconds
    return Companion(
        disks=tuple(
            CompanionDisk(
                filename=_filename(task, disk.snapshot_id),
                disk_bytes=disk.disk_bytes,
                disk_tree_sha256=disk.disk_tree_sha256,
                object_bytes=disk.object_bytes,
                object_sha256=disk.object_sha256,
            )
            for disk in disks.values()
        ),
        lineage=Lineage(
            region=signer.region,
            image_id=image.image_id,
            creation_date=utc_text(image.creation_date),
            source_image_id=image.source_image_id,
            source_vm_id=image.source_vm_id,
            export_task_id=task.task_id,
        ),
        boot_modes=image.boot_modes,
        tpm_mandatory=image.tpm_mandatory,
        secure_boot=image.secure_boot,
        vm_attributes=image.vm_attributes,
        tags=tuple((task.image_tags or {}).items()),
        empty_volumes=tuple(
            EmptyVolume(position, mapping)
            for position, mapping in enumerate(image.mappings)
            if not mapping.snapshot_id
        ),
        consistency=image.consistency,
        guest_pause_microseconds=None if pause is None else round(pause * 1_000_000),
        signer=signer,
    )


def _filename(task: ExportTask, snapshot_id: str) -> str:
    return task.disk_key(snapshot_id).removeprefix(task.prefix)


def _url(objects: ObjectStore, task: ExportTask, key: str) -> str:
    return objects.presign(task.bucket, key, MANIFEST_SECONDS)


WORKFLOW = Workflow(
    params=ExportImage,
    steps=(
        Step("ensure bucket", exports.unless_completed(exports.ensure_bucket)),
        Step("write disks", exports.unless_completed(exports.write_disks), exports.remove_disks),
        Step("write manifest", exports.unless_completed(_write_manifest), exports.remove_manifest),
        Step("complete", exports.unless_completed(exports.complete)),
    ),
    failed=exports.failed,
    lock=locks.subject,
    lane=Lane.TRANSFERS,
)
