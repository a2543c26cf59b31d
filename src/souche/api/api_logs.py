"""ReadApiLogs: the caller's calls, from the audit log.

Headers and payloads of requests are not in the audit log, as secrets may be in them: `QueryHeaderRaw`,
`QueryHeaderSize` and `QueryPayloadRaw` are absent.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeAlias, cast

from souche.api.protocol import dates, filters, page_tokens, pages, spec
from souche.api.protocol.dispatch import Call
from souche.api.protocol.request_errors import BadPageToken
from souche.app import api_logs
from souche.app.api_logs import Calls
from souche.audit_reader import Place, date_of
from souche.value_refusals import BadValue

Request: TypeAlias = Mapping[str, Any]
Line: TypeAlias = Mapping[str, Any]

DEFAULT_RESULTS: Final = 100  # specification, ReadApiLogsRequest: "By default, `100`"
API_NAME: Final = "oapi"
AFTER, BEFORE = "QueryDateAfter", "QueryDateBefore"

FIELDS: Final[Mapping[str, Callable[[Line], object]]] = {
    "AccountId": lambda line: line["account_id"],
    "CallDuration": lambda line: round(float(line.get("milliseconds", 0)) * 1000),
    "QueryAccessKey": lambda line: line.get("access_key_id"),
    "QueryApiName": lambda _line: API_NAME,
    "QueryApiVersion": lambda _line: spec.version(),
    "QueryCallName": lambda line: line.get("action"),
    "QueryDate": lambda line: dates.shown(date_of(line)),
    "QueryIpAddress": lambda line: line.get("address"),
    "QueryPayloadSize": lambda line: line.get("request_bytes"),
    "QueryUserAgent": lambda line: line.get("user_agent"),
    "RequestId": lambda line: line.get("request_id"),
    "ResponseSize": lambda line: line.get("answer_bytes"),
    "ResponseStatusCode": lambda line: line.get("status"),
}
FILTERS: Final[Mapping[str, str]] = {
    "QueryAccessKeys": "QueryAccessKey",
    "QueryApiNames": "QueryApiName",
    "QueryCallNames": "QueryCallName",
    "QueryIpAddresses": "QueryIpAddress",
    "QueryUserAgents": "QueryUserAgent",
    "RequestIds": "RequestId",
    "ResponseStatusCodes": "ResponseStatusCode",
}


def read_api_logs(call: Call) -> Mapping[str, object]:
    """The caller's calls, the newest first."""
    request = cast("Request", call.request)
    given = filters.given_values(request)
    wanted = {FILTERS[name]: values for name, values in given.items() if values and name in FILTERS}

    def matches(line: Line) -> bool:
        return all(FIELDS[name](line) in values for name, values in wanted.items())

    token = request.get("NextPageToken")
    calls = Calls(
        _instant(given, AFTER),
        _instant(given, BEFORE, whole_day=True),
        matches,
        pages.limit(request) or DEFAULT_RESULTS,
        _place(token) if token else None,
    )
    found = api_logs.find(call.region, call.who, calls)
    shown = request.get("With")
    fields = [name for name in FIELDS if shown is None or shown.get(name)]
    answer: dict[str, object] = {"Logs": [_view(line, fields) for line in found.lines]}
    return answer if found.following is None else {**answer, "NextPageToken": _token(found.following)}


def _view(line: Line, fields: list[str]) -> dict[str, object]:
    shown = {name: FIELDS[name](line) for name in fields}
    return {name: value for name, value in shown.items() if value is not None}


def _instant(given: Mapping[str, list[Any]], name: str, *, whole_day: bool = False) -> datetime | None:
    """The date of a filter; None: there is none. With `whole_day`, a date without a time is the end of its day: the
    specification's example has the same date at both ends."""
    values = given.get(name)
    if not values:
        return None
    instant = dates.read(values[0])
    if instant is None:
        raise BadValue(parameter=name, reason="it is not a date in ISO 8601 form.")
    return api_logs.moved(instant, timedelta(days=1)) if whole_day and _is_day(values[0]) else instant


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _token(place: Place) -> str:
    return page_tokens.encode(f"{place.file_id} {place.offset}")


def _place(token: str) -> Place:
    file_id, _, offset = page_tokens.decode(token).partition(" ")
    try:
        place = Place(file_id, int(offset))
    except ValueError as error:
        raise BadPageToken from error
    if place.offset < 0:
        raise BadPageToken
    return place
