"""Souche's own RefreshExport."""

from collections.abc import Mapping
from typing import Any, Final, cast

from souche.api import export_tasks
from souche.api.protocol import dates, schemas
from souche.api.protocol.dispatch import Call
from souche.app import export_refreshes
from souche.app import export_tasks as tasks
from souche.app.context.region import Region
from souche.app.export_refreshes import Refresh, Refreshed
from souche.model.export_tasks import MOST_DAYS

SCHEMA: Final = schemas.of_request(
    {
        "ExportTaskId": schemas.TEXT,
        "Days": {"type": "integer"},
        "OsuApiKey": schemas.of_object({"ApiKeyId": schemas.TEXT, "SecretKey": schemas.TEXT}),
    },
    "ExportTaskId",
)


def refresh_export(call: Call) -> Mapping[str, object]:
    """Write new URLs into the manifest of an export."""
    request = cast("Mapping[str, Any]", call.request)
    key = export_tasks.api_key(request["OsuApiKey"]) if "OsuApiKey" in request else None
    command = Refresh(request["ExportTaskId"], request.get("Days", MOST_DAYS), key)
    return {"ExportRefresh": view(call.region, export_refreshes.refresh(call.region, call.who, command))}


def view(region: Region, refreshed: Refreshed) -> dict[str, object]:
    """An export with its URL as the API and the command line show it. While it is `pending` the URLs are the old
    ones."""
    task = refreshed.task
    return {
        "TaskId": task.task_id,
        "ImageId": task.image_id,
        "State": "pending" if refreshed.under_way else "completed",
        "ManifestUrl": tasks.manifest_url(region, task),
        "ExpirationDate": None if task.urls_until is None else dates.shown(task.urls_until),
    }
