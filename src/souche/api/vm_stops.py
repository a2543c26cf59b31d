"""ReadVmsStopHistory."""

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from souche.api.protocol import dates, filters, pages
from souche.api.protocol.dispatch import Call
from souche.api.protocol.words import WORDS
from souche.app import vm_stops
from souche.model.query import Position
from souche.model.vm_stops import VmStop

Request: TypeAlias = Mapping[str, Any]


def read_vms_stop_history(call: Call) -> Mapping[str, object]:
    """When and why the caller's VMs stopped."""
    request = cast("Request", call.request)
    query = pages.query(request, filters.conditions("ReadVmsStopHistory", request))
    page, more = vm_stops.find(call.region, call.who, query)
    return {
        "VmsStopHistory": [_view(stop) for stop in page],
        **pages.following(page, _position, more=more),
    }


def _position(stop: VmStop) -> Position:
    return Position(stop.stop_date, stop.position_id)


def _view(stop: VmStop) -> dict[str, object]:
    return {
        "StateReason": WORDS.fill(stop.state_reason),
        "StopDate": dates.shown(stop.stop_date),
        "VmId": stop.vm_id,
    }
