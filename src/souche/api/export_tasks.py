"""CreateImageExportTask, ReadImageExportTasks, CreateSnapshotExportTask, ReadSnapshotExportTasks, DeleteExportTask."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from souche import ids
from souche.api import tags
from souche.api.protocol import filters, pages
from souche.api.protocol.dispatch import Call
from souche.api.protocol.words import WORDS
from souche.app import export_tasks
from souche.app.export_tasks import ApiKey, Target
from souche.model.export_tasks import ExportTask
from souche.model.query import Position
from souche.model.tags import Tag
from souche.states import ExportState
from souche.value_refusals import MissingParameter

Request: TypeAlias = Mapping[str, Any]

# The states of the specification (ImageExportTask.State, SnapshotExportTask.State). Of the states of a snapshot export
# under way, Terraform knows only "pending" and fails at any other.
IMAGE_STATES: Final[Mapping[ExportState, str]] = {
    ExportState.QUEUED: "pending/queued",
    ExportState.ACTIVE: "pending",
}
SNAPSHOT_STATES: Final[Mapping[ExportState, str]] = {
    ExportState.QUEUED: "pending",
    ExportState.ACTIVE: "pending",
}


def create_image_export_task(call: Call) -> Mapping[str, object]:
    """Export an image."""
    request = cast("Request", call.request)
    target = _target(request["OsuExport"])
    task = export_tasks.export_image(call.region, call.who, request["ImageId"], target)
    return {"ImageExportTask": _image_view(call, task, ())}


def create_snapshot_export_task(call: Call) -> Mapping[str, object]:
    """Export a snapshot."""
    request = cast("Request", call.request)
    target = _target(request["OsuExport"])
    task = export_tasks.export_snapshot(call.region, call.who, request["SnapshotId"], target)
    return {"SnapshotExportTask": _snapshot_view(task, ())}


def _target(export: Mapping[str, Any]) -> Target:
    """OsuManifestUrl in a request is accepted and ignored."""
    return Target(
        disk_format=export["DiskImageFormat"],
        bucket=export["OsuBucket"],
        prefix=export.get("OsuPrefix", ""),
        api_key=api_key(export["OsuApiKey"]) if "OsuApiKey" in export else None,
    )


def api_key(given: Mapping[str, str]) -> ApiKey | None:
    """The caller's key. If neither part is set, there is none: some clients fill in every parameter."""
    if not any(given.values()):
        return None
    for name in ("ApiKeyId", "SecretKey"):
        if not given.get(name):
            raise MissingParameter(parameter=f"OsuApiKey.{name}")
    return ApiKey(given["ApiKeyId"], given["SecretKey"])


def read_image_export_tasks(call: Call) -> Mapping[str, object]:
    """The caller's exports of images."""
    query = pages.query(call.request, filters.conditions("ReadImageExportTasks", call.request))
    found = export_tasks.find(call.region, call.who, ids.IMAGE_EXPORT, query)
    shown = [_image_view(call, task, found.tags.get(task.task_id, ())) for task in found.resources]
    return {"ImageExportTasks": shown, **pages.following(found.resources, _position, more=found.more)}


def read_snapshot_export_tasks(call: Call) -> Mapping[str, object]:
    """The caller's exports of snapshots."""
    query = pages.query(call.request, filters.conditions("ReadSnapshotExportTasks", call.request))
    found = export_tasks.find(call.region, call.who, ids.SNAPSHOT_EXPORT, query)
    shown = [_snapshot_view(task, found.tags.get(task.task_id, ())) for task in found.resources]
    return {"SnapshotExportTasks": shown, **pages.following(found.resources, _position, more=found.more)}


def _position(task: ExportTask) -> Position:
    return Position(task.creation_date, task.task_id)


def delete_export_task(call: Call) -> Mapping[str, object]:
    """Cancel an export."""
    export_tasks.cancel(call.region, call.who, str(call.request["ExportTaskId"]))
    return {}


def _image_view(call: Call, task: ExportTask, tagged: Sequence[Tag]) -> dict[str, object]:
    url = export_tasks.manifest_url(call.region, task)
    export = _export_view(task) | ({"OsuManifestUrl": url} if url else {})
    return {
        "ImageId": task.image_id,
        "OsuExport": export,
        **_view(task, IMAGE_STATES, tagged),
    }


def _snapshot_view(task: ExportTask, tagged: Sequence[Tag]) -> dict[str, object]:
    return {
        "SnapshotId": task.snapshot_id,
        "OsuExport": _export_view(task),
        **_view(task, SNAPSHOT_STATES, tagged),
    }


def _export_view(task: ExportTask) -> dict[str, object]:
    """Without another account's key, which is never shown."""
    return {"DiskImageFormat": task.disk_format, "OsuBucket": task.bucket, "OsuPrefix": task.prefix}


def _view(task: ExportTask, states: Mapping[ExportState, str], tagged: Sequence[Tag]) -> dict[str, object]:
    return {
        "Comment": WORDS.fill(task.full_comment),
        "Progress": task.progress_percent,
        "State": states.get(task.state, task.state.value),
        "Tags": tags.resource_tags(tagged),
        "TaskId": task.task_id,
    }
