"""Exports of images."""

import time
from typing import Final

from souche.admin.action import Administered, Facts, action
from souche.api import export_refreshes as views
from souche.api.protocol import dates
from souche.app import accounts, export_refreshes, export_tasks
from souche.app.export_tasks import Target
from souche.errors import SystemFailure
from souche.model.disks import DiskFormat
from souche.model.export_tasks import ExportTask
from souche.states import ExportState

POLL_SECONDS: Final = 0.25


class ExportFailed(SystemFailure):
    """The export {task_id} is {state}: {comment}"""


class NoServer(SystemFailure):
    """No server runs the region at the moment: the export {task_id} will run when one does (`souche serve`)."""


class OnlyServed(SystemFailure):
    """No server runs the region at the moment, and only a server reaches the buckets: start it (`souche serve`)."""


class EndedMeanwhile(SystemFailure):
    """The server ended. It writes the new URLs of {task_id} when it runs again (`souche serve`); until then the
    manifest has the old ones."""


@action
def make(at: Administered, image_id: str, *, disk_format: DiskFormat, bucket: str, prefix: str) -> Facts:
    """Export an image into a bucket of its account. Returns when the export is complete."""
    task = export_tasks.export_for_owner(at.region, image_id, Target(disk_format, bucket, prefix))
    ended = _wait(at, task)
    return {"TaskId": task.task_id, "ManifestUrl": export_tasks.manifest_url(at.region, ended)}


def _wait(at: Administered, task: ExportTask) -> ExportTask:
    """The task once it is completed."""
    while task.state in (ExportState.QUEUED, ExportState.ACTIVE):
        if task.state == ExportState.QUEUED and not at.is_served():
            raise NoServer(task_id=task.task_id)
        at.listener.check()
        time.sleep(POLL_SECONDS)
        task = export_tasks.get(at.region, task.task_id)
        at.listener.transfer(task.state.value, task.done_bytes, task.total_bytes or None)
    if task.state != ExportState.COMPLETED:
        raise ExportFailed(task_id=task.task_id, state=task.state, comment=task.full_comment)
    return task


@action
def every(at: Administered) -> list[Facts]:
    """The exports of images, and until when their URLs work."""
    names = {each.account_id: each.name for each in accounts.every(at.region)}
    return [_facts(task, names) for task in export_refreshes.every(at.region)]


@action
def sign(at: Administered, task_id: str, days: int) -> Facts:
    """Write new URLs into the manifest of a completed export."""
    if not at.is_served():
        raise OnlyServed
    refreshed = export_refreshes.for_owner(at.region, task_id, days)
    while refreshed.under_way and at.is_served():
        at.listener.check()
        refreshed = export_refreshes.wait(at.region, refreshed.operation_id, task_id)
    if refreshed.under_way:
        raise EndedMeanwhile(task_id=task_id)
    return views.view(at.region, refreshed)


def _facts(task: ExportTask, names: dict[str, str]) -> Facts:
    return {
        "TaskId": task.task_id,
        "Account": names.get(task.account_id, task.account_id),
        "ImageId": task.image_id,
        "State": task.state.value,
        "Bucket": task.bucket,
        "ManifestKey": task.manifest_key,
        "CreationDate": dates.shown(task.creation_date),
        "ExpirationDate": None if task.urls_until is None else dates.shown(task.urls_until),
    }
