"""Souche's own ReadNotices."""

from collections.abc import Mapping
from typing import Final

from souche.api.protocol import dates, filters, pages, schemas
from souche.api.protocol.dispatch import Call
from souche.app import notices
from souche.model.notices import Event, Notice
from souche.model.query import Position

FILTERS: Final[Mapping[str, str]] = {"ImageIds": "image_id", "Events": "event"}
READ_SCHEMA: Final = schemas.of_filtered_read(
    {
        "ImageIds": schemas.TEXTS,
        "Events": {"type": "array", "items": {"enum": [each.value for each in Event]}},
    }
)


def read_notices(call: Call) -> Mapping[str, object]:
    """The caller's notices about images that it launched, copied or was granted."""
    conditions = filters.of_fields(call.request, FILTERS)
    query = pages.query(call.request, conditions, default=pages.MOST_RESULTS)
    found = notices.find(call.region, call.who, query)
    following = pages.following(found.resources, _position, more=found.more)
    return {"Notices": [view(each) for each in found.resources], **following}


def _position(each: Notice) -> Position:
    return Position(each.date, each.notice_id)


def view(each: Notice) -> dict[str, object]:
    """A notice as the API and the command line show it. `UsableUntil` and `SuccessorId` are null if there is none."""
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
