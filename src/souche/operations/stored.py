"""The stored form of operations, in the database and in the journal: the name of the workflow, and its params as
JSON."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from souche.model.operations import Params, RawParams
from souche.operations.backups import CaptureForBackup
from souche.operations.exports import ExportImage, ExportSnapshot, RefreshExport
from souche.operations.firewalls import ApplyPublicIps, ApplySecurityGroups
from souche.operations.images import CleanImage, CopyImage, CreateImage, ImportImage, ImportImageFromManifest
from souche.operations.snapshots import CopySnapshot, CreateSnapshot, DeleteSnapshot, ImportSnapshot
from souche.operations.vms import CreateVm, DeleteVm, RebootVm, StartVm, StopVm
from souche.operations.volumes import CreateVolume, DeleteVolume, LinkVolume, UnlinkVolume, UpdateVolume

KINDS: Final[Mapping[str, type[Params]]] = {
    kind.workflow: kind
    for kind in (
        ApplyPublicIps,
        ApplySecurityGroups,
        CaptureForBackup,
        CleanImage,
        CopyImage,
        CopySnapshot,
        CreateImage,
        CreateSnapshot,
        CreateVm,
        CreateVolume,
        DeleteSnapshot,
        DeleteVm,
        DeleteVolume,
        ExportImage,
        ExportSnapshot,
        ImportImage,
        ImportImageFromManifest,
        ImportSnapshot,
        LinkVolume,
        RebootVm,
        RefreshExport,
        StartVm,
        StopVm,
        UnlinkVolume,
        UpdateVolume,
    )
}
"""by the names of their workflows. Databases and journals store these names: never change a released one."""


def read(workflow: str, arguments: object) -> Params:
    """The params of a workflow from their stored form. `RawParams`: this release cannot read it; it is damaged or of
    another release."""
    stored = arguments if isinstance(arguments, dict) else {}
    kind = KINDS.get(workflow)
    if kind is None:
        return RawParams(stored)
    try:
        return msgspec.convert(kind.current(stored), kind)
    except msgspec.ValidationError:
        return RawParams(stored)


def read_json(workflow: str, text: str) -> Params:
    """As `read`, from JSON."""
    try:
        return read(workflow, msgspec.json.decode(text))
    except msgspec.DecodeError:
        return RawParams({})


def arguments_of(params: Params) -> dict[str, Any]:
    """The stored form of params, without fields that are None."""
    if isinstance(params, RawParams):
        return dict(params.arguments)
    return {name: value for name, value in msgspec.to_builtins(params).items() if value is not None}


def texts(params: Params) -> Iterator[str]:
    """All texts among the params, ids most of all."""
    for value in arguments_of(params).values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (each for each in value if isinstance(each, str))
