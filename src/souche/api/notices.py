"""Souche's own ReadNotices."""

from collections.abc import Mapping
from typing import Any, Final, cast

from souche.api import dates, pages
from souche.api.dispatch import Call
from souche.api.filters import MAX_VALUES
from souche.app import notices
from souche.model.notices import Event, Notice
from souche.model.query import Condition, Position
from souche.refusals import BadValue

FILTERS: Final[Mapping[str, str]] = {"ImageIds": "image_id", "Events": "event"}
READ_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "DryRun": {"type": "boolean"},
        "Filters": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "ImageIds": {"type": "array", "items": {"type": "string"}},
                "Events": {"type": "array", "items": {"enum": [each.value for each in Event]}},
            },
        },
        "NextPageToken": {"type": "string"},
        "ResultsPerPage": {"type": "integer"},
    },
}


def read_notices(call: Call) -> Mapping[str, object]:
    """What the caller is told of images that it launched, copied or was granted."""
    given = cast("Mapping[str, list[str]]", call.request.get("Filters") or {})
    if sum(map(len, given.values())) > MAX_VALUES:
        raise BadValue(parameter="Filters", reason=f"it has more than {MAX_VALUES} values.")
    conditions = tuple(Condition(FILTERS[name], values) for name, values in given.items() if values)
    query = pages.query(call.request, conditions, default=pages.MOST_RESULTS)
    found = notices.find(call.region, call.who, query)
    following = pages.following(found.resources, _position, more=found.more)
    return {"Notices": [view(each) for each in found.resources], **following}


def _position(each: Notice) -> Position:
    return Position(each.date, each.notice_id)


def view(each: Notice) -> dict[str, object]:
    """A notice as the API and the command line show it. `UsableUntil` and `SuccessorId`: null where there is none."""
    return {
        "ImageId": each.image_id,
        "ImageName": each.image_name,
        "AccountId": each.owner_id,
        "Event": each.event.value,
        "Date": dates.shown(each.date),
        "UsableUntil": None if each.usable_until is None else dates.shown(each.usable_until),
        "Reason": each.reason,
        "SuccessorId": each.successor_id,
    }
