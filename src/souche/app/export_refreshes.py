"""New URLs for completed exports: those in a manifest expire after at most seven days."""

from dataclasses import dataclass

from souche import ids
from souche.app import export_tasks
from souche.app.context.region import Region, Work
from souche.app.export_tasks import ApiKey
from souche.db import export_tasks as records
from souche.db import operations
from souche.model.accounts import Principal
from souche.model.export_tasks import MOST_DAYS, ExportTask
from souche.operations.exports import refresh_export
from souche.refusals import RefreshFailed, WrongTaskState
from souche.states import ExportState
from souche.value_refusals import BadValue, MissingParameter, WrongIdPrefix
from souche.words import Term

WAIT_SECONDS = 2.0


@dataclass(frozen=True)
class Refresh:
    """New URLs that work for `days`. `api_key` is needed if the bucket is another account's."""

    task_id: str
    days: int = MOST_DAYS
    api_key: ApiKey | None = None


@dataclass(frozen=True)
class Refreshed:
    """The task as it is now. `under_way`: the operation that is still writing its URLs."""

    task: ExportTask
    operation_id: str
    under_way: bool


def refresh(region: Region, who: Principal, command: Refresh) -> Refreshed:
    """Write new URLs into the manifest of the caller's export. The answer waits for a short time.

    Raises:
        NoSuchTask, WrongIdPrefix, MalformedId, WrongTaskState, BadValue, MissingParameter.
        RefreshFailed: the attempt failed because of the bucket or its contents.
    """
    if not 1 <= command.days <= MOST_DAYS:
        raise BadValue(
            parameter=Term.DAYS, reason=f"1 to {MOST_DAYS} is expected: pre-signed URLs are limited to it."
        )
    with region.begin() as work:
        task = export_tasks.own(work.connection, who, command.task_id)
        _check(task)
        _record_key(region, work, who, task, command.api_key)
        operation = refresh_export(task, command.days, region.ids.new("run"))
        work.operations.append(operation)
    if region.dry_run:
        return Refreshed(task, operation.operation_id, under_way=True)
    return wait(region, operation.operation_id, task.task_id)


def wait(region: Region, operation_id: str, task_id: str) -> Refreshed:
    """Wait a little for the URLs. Returns the present state.

    Raises:
        RefreshFailed. NoSuchTask.
    """
    region.workflows.wait(operation_id, WAIT_SECONDS)
    with region.store.read() as connection:
        under_way = operations.get(connection, operation_id) is not None
    task = export_tasks.get(region, task_id)
    if not under_way and task.refresh_problem is not None:
        raise RefreshFailed(task_id=task_id, reason=task.refresh_problem)
    return Refreshed(task, operation_id, under_way)


def _check(task: ExportTask) -> None:
    if task.image_id is None:
        raise WrongIdPrefix(resource_id=task.task_id, prefix=ids.IMAGE_EXPORT)
    if task.state != ExportState.COMPLETED:
        reason = "only the URLs of a completed export can be renewed"
        raise WrongTaskState(task_id=task.task_id, state=task.state, reason=reason)


def _record_key(region: Region, work: Work, who: Principal, task: ExportTask, key: ApiKey | None) -> None:
    """Record the key of another account: it was erased when the export ended."""
    if key is None and task.bucket_account_id != who.account_id:
        raise MissingParameter(parameter=Term.API_KEY)
    if key is not None:
        account_id = export_tasks.bucket_account(region, work, who, key)
        if account_id != task.bucket_account_id:
            reason = "it is not a key of the account that owns the export's bucket."
            raise BadValue(parameter=Term.API_KEY, reason=reason)
    foreign = key if task.bucket_account_id is None else None
    sealed = region.vault.seal(foreign.secret_key) if foreign else None
    records.begin_refresh(work.connection, task.task_id, foreign.access_key_id if foreign else None, sealed)


def for_owner(region: Region, task_id: str, days: int) -> Refreshed:
    """As `refresh`, on behalf of the task's account, for the operator.

    Raises:
        NoSuchTask, and those of `refresh`.
    """
    task = export_tasks.get(region, task_id)
    return refresh(region, Principal(task.account_id), Refresh(task_id, days))


def every(region: Region) -> list[ExportTask]:
    """All exports of images, oldest first, for the operator."""
    with region.store.read() as connection:
        return records.every_of_images(connection)
