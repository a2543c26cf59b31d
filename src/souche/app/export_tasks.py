"""Exports of images and snapshots into buckets: requested, found, cancelled (reference sections 3 and 4).

The snapshots of a running export cannot be deleted. Its image can, because the task contains all data for the manifest.
A cancelled task is immediately `cancelled`, and its snapshots are released as soon as nothing reads them.
"""

import hmac
from dataclasses import dataclass, field, replace
from typing import Final, cast, get_args

from souche import ids
from souche.app import product_codes, quotas
from souche.app.block_devices import check_completed
from souche.app.context import lookup
from souche.app.context.page import Page
from souche.app.context.region import Region, Work
from souche.app.images import check_available
from souche.db import access_keys, accounts, export_tasks, images, tags
from souche.db.transactions import Transaction
from souche.model.accounts import AccessKey, Principal
from souche.model.disks import DiskFormat
from souche.model.export_tasks import ExportTask
from souche.model.images import Image
from souche.model.operations import Operation
from souche.model.query import Query
from souche.objects.names import flaw_of_prefix, is_bucket_name
from souche.operations import exports as operations
from souche.refusals import NoObjectStore, NoSuchImage, NoSuchTask, SharedImageExport, WrongTaskState
from souche.states import ExportState
from souche.value_refusals import BadValue, ValueTooLong, WrongIdPrefix
from souche.words import Term

PREFIX_BYTES: Final = 400
"""Our limit: keys have at most 1,024 bytes, and a URL with the key must fit into an object's metadata."""


@dataclass(frozen=True)
class ApiKey:
    """A key of another account, for a bucket of that account."""

    access_key_id: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Target:
    """The target of an export. `disk_format` is as the caller wrote it."""

    disk_format: str
    bucket: str
    prefix: str = ""
    api_key: ApiKey | None = None


def export_image(region: Region, who: Principal, image_id: str, target: Target) -> ExportTask:
    """Request the export of an image of the caller's.

    Raises:
        NoSuchImage, WrongImageState, BadValue, ValueTooLong, NoObjectStore, QuotaExceeded, OutOfSpace.
        SharedImageExport: it is another account's.
        NotSubscribed: it carries the code of a product that the caller is not subscribed to.
    """
    prefix = _image_prefix(target.prefix, image_id)
    _check(target, prefix)
    with region.begin() as work:
        image = _exportable(work.connection, who, image_id)
        tagged = tags.of_resources(work.connection, [image_id]).get(image_id, ())
        task = replace(
            _new(region, work, who, target, ids.IMAGE_EXPORT),
            image_id=image_id,
            image=image,
            image_tags={tag.key: tag.value for tag in tagged},
            prefix=prefix,
            comment=f"Export of image {image_id}",
        )
        _ask_room(region, task)
        quotas.check(work, who, quotas.of_image_export())
        _request(work, task, operations.export_image(task, region.name))
    return task


def export_for_owner(region: Region, image_id: str, target: Target) -> ExportTask:
    """Request the export of an image on behalf of its account, for the operator's commands.

    Raises:
        NoSuchImage, and those of `export_image`.
    """
    with region.store.read() as connection:
        image = images.get(connection, image_id)
    if image is None:
        raise NoSuchImage(image_id=image_id)
    return export_image(region, Principal(image.account_id), image_id, target)


def _exportable(connection: Transaction, who: Principal, image_id: str) -> Image:
    image = lookup.usable_image(connection, who, image_id)
    if image.account_id != who.account_id:
        raise SharedImageExport(image_id=image_id)
    check_available(image)
    product_codes.check_subscribed(connection, who, image)
    return image


def _image_prefix(prefix: str, image_id: str) -> str:
    """`<prefix>/<image>/` (reference section 4), without a leading slash or double slashes."""
    return f"{prefix.rstrip('/')}/{image_id}/" if prefix else f"{image_id}/"


def export_snapshot(region: Region, who: Principal, snapshot_id: str, target: Target) -> ExportTask:
    """Request the export of a snapshot that the caller may use. Licences do not go with it.

    Raises:
        NoSuchSnapshot, WrongSnapshotState, BadValue, ValueTooLong, NoObjectStore, QuotaExceeded, OutOfSpace.
        NotSubscribed: as `export_image`.
    """
    _check(target, target.prefix)
    with region.begin() as work:
        snapshot = lookup.usable_snapshot(work.connection, who, snapshot_id)
        check_completed(snapshot)
        product_codes.check_snapshot(work.connection, who, snapshot)
        task = replace(
            _new(region, work, who, target, ids.SNAPSHOT_EXPORT),
            snapshot_id=snapshot_id,
            comment=f"Export of snapshot {snapshot_id}",
        )
        _ask_room(region, task)
        quotas.check(work, who, quotas.of_snapshot_export())
        _request(work, task, operations.export_snapshot(task))
    return task


def _ask_room(region: Region, task: ExportTask) -> None:
    """Check the space of the region's medium, if the export goes to the region's own store.

    Raises:
        OutOfSpace.
    """
    if task.bucket_account_id is not None and region.keeps_objects:
        region.room.ask()


def _check(target: Target, prefix: str) -> None:
    """`prefix`: the beginning of all keys."""
    if target.disk_format not in get_args(DiskFormat):
        raise BadValue(
            parameter=Term.DISK_FORMAT, reason=f"supported values: {', '.join(get_args(DiskFormat))}"
        )
    if not is_bucket_name(target.bucket):
        raise BadValue(
            parameter=Term.BUCKET, reason="3 to 63 lower-case letters, digits and hyphens are expected"
        )
    length = len(target.prefix.encode(errors="replace"))
    if length > PREFIX_BYTES:
        raise ValueTooLong(parameter=Term.OBJECT_PREFIX, length=length, most=PREFIX_BYTES)
    flaw = flaw_of_prefix(prefix)
    if flaw is not None:
        raise BadValue(parameter=Term.OBJECT_PREFIX, reason=flaw)


def _new(region: Region, work: Work, who: Principal, target: Target, kind: str) -> ExportTask:
    """A task without its source."""
    task = ExportTask(
        task_id=region.ids.new(kind),
        account_id=who.account_id,
        image_id=None,
        snapshot_id=None,
        state=ExportState.QUEUED,
        comment="",
        disk_format=cast("DiskFormat", target.disk_format),
        bucket=target.bucket,
        prefix=target.prefix,
        creation_date=region.clock.now(),
        bucket_account_id=bucket_account(region, work, who, target.api_key),
    )
    if task.bucket_account_id is not None:
        if not region.oos_endpoint:
            raise NoObjectStore
        return task
    key = cast("ApiKey", target.api_key)
    sealed = region.vault.seal(key.secret_key)
    return replace(task, access_key_id=key.access_key_id, sealed_secret_key=sealed)


def bucket_account(region: Region, work: Work, who: Principal, key: ApiKey | None) -> str | None:
    """The account of this region that owns the target bucket. None for a key of no account here, with a wrong secret,
    or disabled: the export itself will fail then."""
    if key is None:
        return who.account_id
    known = access_keys.get(work.connection, key.access_key_id)
    if known is None or not _opens(region, known, key.secret_key):
        return None
    account = accounts.get(work.connection, known.account_id)
    return None if account is None or account.disabled else account.account_id


def _opens(region: Region, known: AccessKey, secret_key: str) -> bool:
    expired = known.expiration_date is not None and known.expiration_date <= region.clock.now()
    right = hmac.compare_digest(region.vault.unseal(known.sealed_secret).encode(), secret_key.encode())
    return right and known.active and not expired


def _request(work: Work, task: ExportTask, operation: Operation) -> None:
    export_tasks.insert(work.connection, task)
    work.operations.append(operation)


def cancel(region: Region, who: Principal, task_id: str) -> None:
    """Cancel the caller's unfinished export. Its uploads and objects are removed.

    Raises:
        NoSuchTask, WrongIdPrefix, MalformedId. WrongTaskState: it has ended.
    """
    with region.begin() as work:
        task = own(work.connection, who, task_id)
        if task.state not in export_tasks.UNDER_WAY:
            raise WrongTaskState(
                task_id=task_id, state=task.state, reason="only an export under way can be cancelled"
            )
        export_tasks.set_state(work.connection, task_id, ExportState.CANCELLED)


def own(connection: Transaction, who: Principal, task_id: str) -> ExportTask:
    """A task of the caller's.

    Raises:
        NoSuchTask, WrongIdPrefix, MalformedId.
    """
    kind = tags.prefix_of(task_id)
    if kind not in export_tasks.SOURCES:
        raise WrongIdPrefix(resource_id=task_id, prefix="-' or '".join(export_tasks.SOURCES))
    lookup.check_id(task_id, kind)
    task = export_tasks.owned(connection, who.account_id, task_id)
    if task is None:
        raise NoSuchTask(task_id=task_id)
    return task


def find(region: Region, who: Principal, kind: str, query: Query) -> Page[ExportTask]:
    """The caller's tasks of a kind (the prefix of its ids), oldest first."""
    with region.store.read() as connection:
        page, more = export_tasks.find(connection, who.account_id, kind, query)
        tagged = tags.of_resources(connection, [task.task_id for task in page])
    return Page(page, tagged, more)


def get(region: Region, task_id: str) -> ExportTask:
    """A task as it is now, for the operator's commands.

    Raises:
        NoSuchTask.
    """
    with region.store.read() as connection:
        task = export_tasks.get(connection, task_id)
    if task is None:
        raise NoSuchTask(task_id=task_id)
    return task


def manifest_url(region: Region, task: ExportTask) -> str | None:
    """The URL of a completed export's manifest, valid for seven days."""
    return region.vault.unseal(task.sealed_manifest_url) if task.sealed_manifest_url else None
