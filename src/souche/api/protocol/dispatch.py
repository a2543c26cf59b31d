"""One request, from its body to its answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

import msgspec

from souche.api.protocol.json_cache import JsonCache
from souche.api.protocol.request_errors import MalformedBody, NotSigned
from souche.api.protocol.spec import Check
from souche.app.context.region import Region
from souche.app.context.settling import when_settled
from souche.errors import Raced
from souche.model.accounts import Principal
from souche.value_refusals import BadValue

# Packer sends `"SubnetId": ""` (reference clients.md, section 1), and Terraform sends `"FileLocation": ""` with every
# CreateSnapshot. An empty token must not make all requests that have one equal.
EMPTY_MEANS_ABSENT: Final = ("SubnetId", "FileLocation", "ClientToken", "SnapshotId", "SourceRegionName")

# The actions that download from a URL in the request before they answer.
FETCHING: Final = frozenset({"CreateImage", "CreateSnapshot"})

RACES_LOST: Final = 3

# Longest body, in bytes, that is parsed on the event loop, where all other requests wait for it.
SHORT_BODY: Final = 4096

# Python takes microseconds for each value of a body, and all other requests wait for most of that time: 350,000 empty
# lists (1 MiB) took five seconds. Clients' longest requests filter by some thousands of ids, well below this limit.
MOST_VALUES: Final = 20_000
VALUE_BEGINS: Final = (b",", b"[", b"{")
"""A body has at most one value more than these bytes. Commas in texts count too."""


@dataclass(frozen=True)
class Call:
    """One call of an action. `request` has the shape of the specification. `time_limit` (seconds; None: none) bounds
    the actions of `answers.ON_EVENT_LOOP`: they end in time, or raise OutOfTime. `cache`: None if nothing is cached."""

    region: Region
    principal: Principal | None
    request: Mapping[str, object]
    request_id: str
    cache: JsonCache | None = None
    time_limit: float | None = None

    @property
    def who(self) -> Principal:
        """The caller, for actions that need one.

        Raises:
            NotSigned: the request is not signed.
        """
        if self.principal is None:
            raise NotSigned
        return self.principal


Handler: TypeAlias = Callable[[Call], Mapping[str, object]]


class Access(Enum):
    """Which credentials an action takes."""

    NONE = "none"
    KEY = "key"
    PASSWORD = "password"  # noqa: S105 (a login and password are accepted beside a key)


@dataclass(frozen=True)
class Action:
    """An action of the region. `check` refuses a body of another shape. An id of `optional_ids` that is "" counts as
    absent: several of them choose how an image or a snapshot is made, and an empty one chooses nothing."""

    name: str
    handler: Handler
    check: Check
    access: Access
    optional_ids: frozenset[str] = frozenset()


def fetches(action: Action, body: bytes) -> bool:
    """Whether the answer waits for a server that the caller names; assumed for a long body. Raises as `read_body`
    does."""
    return action.name in FETCHING and (len(body) > SHORT_BODY or "FileLocation" in read_body(body))


def dispatch(
    action: Action,
    region: Region,
    principal: Principal | None,
    body: bytes,
    request_id: str,
    *,
    cache: JsonCache | None = None,
    time_limit: float | None = None,
) -> dict[str, object]:
    """Run the action and return the answer. With `DryRun`, nothing is kept and the answer has only the context. `cache`
    and `time_limit`: as of `Call`.

    Raises:
        OutOfTime: the time limit is over.
        UserError: the request is refused; see `errors` for the answer.
    """
    request = read_body(body)
    for name in action.optional_ids & request.keys():
        if request[name] == "":
            del request[name]
    action.check(request)
    context = {"ResponseContext": {"RequestId": request_id}}
    if principal is not None:
        region = region.serving(principal.account_id)
    dry_run = request.get("DryRun") is True
    call = Call(
        region.for_dry_run() if dry_run else region, principal, request, request_id, cache, time_limit
    )
    answer = _handle(action, call)
    return dict(context) if dry_run else {**answer, **context}


def _handle(action: Action, call: Call) -> Mapping[str, object]:
    """Run the action, and again when the resources that it was refused for have settled (`app/context/settling`). A
    dry run does not wait."""
    if call.principal is None or call.region.dry_run:
        return _handle_without_waiting(action, call)
    return when_settled(call.region, call.principal.account_id, lambda: _handle_without_waiting(action, call))


def _handle_without_waiting(action: Action, call: Call) -> Mapping[str, object]:
    """Run the action, and repeat it if another request came first. So a name that was just taken is refused, and a
    ClientToken that was just used returns its resource.

    Raises:
        Raced: other requests came first every time.
    """
    for _lost in range(RACES_LOST):
        try:
            return action.handler(call)
        except Raced:
            continue
    return action.handler(call)


def read_body(body: bytes) -> dict[str, object]:
    """The JSON object in a body; an empty body means `{}`. null means absent: clients in Go send empty lists as null
    (Packer's `"AccountIds": null`, whenever a source has an alias for its owner).

    Raises:
        MalformedBody: it is not JSON, or not an object, or nested too deeply, or has too many values.
        BadValue: a text has a NUL character, which PostgreSQL cannot keep.
    """
    if not body.strip():
        return {}
    if len(body) > MOST_VALUES and sum(map(body.count, VALUE_BEGINS)) > MOST_VALUES:
        raise MalformedBody(reason=f"it has more than {MOST_VALUES} values")
    try:
        decoded = msgspec.json.decode(body)
        if not isinstance(decoded, dict):
            raise MalformedBody(reason="it is of another JSON type")
        request: dict[str, object] = _without_nulls(decoded) if b"null" in body else decoded
        nuls = filter(lambda name: _has_nul(request[name]), request) if b"\\u0000" in body else ()
        for name in nuls:
            raise BadValue(parameter=name, reason="it has a NUL character.")
        request = _without_empty_ids(request) if b'""' in body else request
    except (ValueError, RecursionError) as error:
        raise MalformedBody(reason=str(error)) from error
    for name in EMPTY_MEANS_ABSENT if b'""' in body else ():
        if request.get(name) == "":
            del request[name]
    return request


def _without_empty_ids(request: dict[str, object]) -> dict[str, object]:
    """Removes ids that are "" from nested objects: clients in Go send unset ones so (Terraform's `"Bsu": {"VolumeId":
    ""}` in UpdateVm)."""
    return {
        name: _without_ids(value) if isinstance(value, dict | list) else value
        for name, value in request.items()
    }


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if item != "" or not name.endswith("Id")}
        return {name: _without_ids(item) for name, item in kept.items()}
    return [_without_ids(item) for item in value] if isinstance(value, list) else value


def _without_nulls(value: Any) -> Any:
    """Removes members of objects that are null. A null in a list stays, and is a wrong type."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(map(_has_nul, value.values()))
    return isinstance(value, list) and any(map(_has_nul, value))
