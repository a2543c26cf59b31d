"""CreateSnapshot, ReadSnapshots, UpdateSnapshot, DeleteSnapshot."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from souche.api import permissions, tags
from souche.api.protocol import cached_pages, dates, filters, pages, schemas
from souche.api.protocol.dispatch import Call
from souche.api.protocol.words import WORDS
from souche.app import snapshot_imports, snapshots
from souche.app import tags as app_tags
from souche.app.snapshot_imports import FromUrl
from souche.app.snapshots import Copy, FromVolume
from souche.model.snapshots import Snapshot
from souche.model.tags import Tag
from souche.value_refusals import IncompatibleParameters, MissingParameter

Request: TypeAlias = Mapping[str, Any]

# For each mode, the parameters that only it takes.
_MODES: Final[Mapping[str, Collection[str]]] = {
    "VolumeId": (),
    "SourceSnapshotId": ("SourceRegionName",),
    "FileLocation": ("SnapshotSize",),
}
PROBLEMS_SCHEMA: Final = schemas.of_request({"SnapshotIds": schemas.TEXTS})


def create_snapshot(call: Call) -> Mapping[str, object]:
    """Make a snapshot of a volume, a copy of another, or one from a disk that a URL leads to."""
    request = cast("Request", call.request)
    mode = _mode(request)
    if mode == "VolumeId":
        snapshot = snapshots.create_from_volume(
            call.region,
            call.who,
            FromVolume(request["VolumeId"], request.get("Description", ""), request.get("ClientToken")),
        )
    elif mode == "SourceSnapshotId":
        snapshot = snapshots.copy(call.region, call.who, _copy(request))
    else:
        snapshot = snapshot_imports.create(call.region, call.who, _from_url(request))
    return {"Snapshot": view(snapshot, ())}


def _mode(request: Request) -> str:
    """Exactly one of the modes (reference section 3).

    Raises:
        MissingParameter: none. IncompatibleParameters: more than one, or a parameter of another.
    """
    mode = next((name for name in _MODES if name in request), None)
    if mode is None:
        forgotten = (name for name, own in _MODES.items() if any(each in request for each in own))
        raise MissingParameter(parameter=next(forgotten, "VolumeId"))
    for other, own in _MODES.items():
        for name in (other, *own) if other != mode else ():
            if name in request:
                raise IncompatibleParameters(reason=f"{mode} and {name} cannot be given at the same time")
    return mode


def _copy(request: Request) -> Copy:
    if "SourceRegionName" not in request:
        raise MissingParameter(parameter="SourceRegionName")
    return Copy(
        source_snapshot_id=request["SourceSnapshotId"],
        source_region_name=request["SourceRegionName"],
        description=request.get("Description"),
        client_token=request.get("ClientToken"),
    )


def _from_url(request: Request) -> FromUrl:
    if "SnapshotSize" not in request:
        raise MissingParameter(parameter="SnapshotSize")
    return FromUrl(
        location=request["FileLocation"],
        size_bytes=request["SnapshotSize"],
        description=request.get("Description", ""),
        client_token=request.get("ClientToken"),
    )


def read_snapshots(call: Call) -> Mapping[str, object]:
    """The snapshots that the caller may use."""
    request = cast("Request", call.request)
    query = pages.query(request, filters.conditions("ReadSnapshots", request))
    with snapshots.open_page(call.region, call.who, query, call.time_limit) as page:
        return {"Snapshots": cached_pages.shown(call, page, view), **pages.after(page.end)}


def update_snapshot(call: Call) -> Mapping[str, object]:
    """Share a snapshot, or stop sharing it."""
    request = cast("Request", call.request)
    change = permissions.change("PermissionsToCreateVolume", request["PermissionsToCreateVolume"])
    snapshot = snapshots.share(call.region, call.who, request["SnapshotId"], change)
    tagged = app_tags.of_resource(call.region, snapshot.snapshot_id)
    return {"Snapshot": view(snapshot, tagged)}


def read_snapshot_problems(call: Call) -> Mapping[str, object]:
    """Why the caller's snapshots are in the state `error`: ReadSnapshots has no field for it."""
    request = cast("Request", call.request)
    found = snapshots.problems(call.region, call.who, request.get("SnapshotIds"))
    return {
        "SnapshotProblems": [
            {"SnapshotId": each.snapshot_id, "Problem": each.problem and WORDS.fill(each.problem)}
            for each in found
        ]
    }


def delete_snapshot(call: Call) -> Mapping[str, object]:
    """Delete a snapshot that no image uses."""
    snapshots.delete(call.region, call.who, str(call.request["SnapshotId"]))
    return {}


def view(snapshot: Snapshot, tagged: Sequence[Tag]) -> dict[str, object]:
    """A snapshot as the API shows it."""
    shown: dict[str, object] = {
        "SnapshotId": snapshot.snapshot_id,
        "AccountId": snapshot.account_id,
        "CreationDate": dates.shown(snapshot.creation_date),
        "Description": snapshot.description,
        "PermissionsToCreateVolume": permissions.view(snapshot.permissions),
        "Progress": snapshot.progress_percent,
        "State": snapshot.state.value,
        "Tags": tags.resource_tags(tagged),
        "VolumeSize": snapshot.volume_size_gib,
    }
    optional = {
        "AccountAlias": snapshot.account_alias,
        "ClientToken": snapshot.client_token,
        "VolumeId": snapshot.volume_id,
    }
    return shown | {name: value for name, value in optional.items() if value is not None}
