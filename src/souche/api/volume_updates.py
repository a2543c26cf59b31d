"""UpdateVolume, ReadVolumeUpdateTasks."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from souche.api import tags, volumes
from souche.api.protocol import dates, filters, pages
from souche.api.protocol.dispatch import Call
from souche.api.protocol.words import WORDS
from souche.app import tags as app_tags
from souche.app import volume_updates
from souche.app.volume_updates import Change
from souche.model.query import Position
from souche.model.tags import Tag
from souche.model.volume_updates import VolumeShape, VolumeUpdate
from souche.states import VolumeUpdateState

Request: TypeAlias = Mapping[str, Any]

DEFAULT_RESULTS: Final = 100  # specification, ReadVolumeUpdateTasks
PROGRESS_PERCENT: Final = {VolumeUpdateState.COMPLETED: 100}


def update_volume(call: Call) -> Mapping[str, object]:
    """Change a volume by a task. Until the task is complete the volume shows its previous values."""
    request = cast("Request", call.request)
    change = Change(
        volume_id=request["VolumeId"],
        size_gib=request.get("Size"),
        volume_type=request.get("VolumeType"),
        iops=request.get("Iops"),
    )
    volume = volume_updates.update(call.region, call.who, change)
    return {"Volume": volumes.view(volume, app_tags.of_resource(call.region, volume.volume_id))}


def read_volume_update_tasks(call: Call) -> Mapping[str, object]:
    """The tasks that change, or have changed, the caller's volumes."""
    request = cast("Request", call.request)
    conditions = filters.conditions("ReadVolumeUpdateTasks", request)
    query = pages.query(request, conditions, default=DEFAULT_RESULTS)
    found = volume_updates.find(call.region, call.who, query)
    return {
        "VolumeUpdateTasks": [
            _view(update, found.tags.get(update.task_id, ())) for update in found.resources
        ],
        **pages.following(found.resources, _position, more=found.more),
    }


def _position(update: VolumeUpdate) -> Position:
    return Position(update.creation_date, update.task_id)


def _view(update: VolumeUpdate, tagged: Sequence[Tag]) -> dict[str, object]:
    shown: dict[str, object] = {
        "Comment": WORDS.fill(update.comment),
        "Progress": PROGRESS_PERCENT.get(update.state, 0),
        "StartDate": dates.shown(update.creation_date),
        "State": update.state.value,
        "Tags": tags.resource_tags(tagged),
        "TaskId": update.task_id,
        "VolumeId": update.volume_id,
        "VolumeUpdate": {"Origin": _shape_view(update.origin), "Target": _shape_view(update.target)},
    }
    if update.completion_date is not None:
        shown["CompletionDate"] = dates.shown(update.completion_date)
    return shown


def _shape_view(shape: VolumeShape) -> dict[str, object]:
    return {
        "Iops": volumes.shown_iops(shape.size_gib, shape.volume_type, shape.iops),
        "Size": shape.size_gib,
        "VolumeType": shape.volume_type,
    }
