"""CreateVolume, ReadVolumes, DeleteVolume, LinkVolume, UnlinkVolume."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from souche.api import tags
from souche.api.protocol import cached_pages, dates, filters, pages
from souche.api.protocol.dispatch import Call
from souche.app import volumes
from souche.app.volumes import Create, Link
from souche.model.tags import Tag
from souche.model.volumes import Volume, VolumeLink

Request: TypeAlias = Mapping[str, Any]

GP2_IOPS_PER_GIB = 3
GP2_MIN_IOPS = 100
GP2_MAX_IOPS = 10_000


def create_volume(call: Call) -> Mapping[str, object]:
    """Make a volume, empty or from a snapshot."""
    request = cast("Request", call.request)
    command = Create(
        subregion_name=request["SubregionName"],
        size_gib=request.get("Size"),
        snapshot_id=request.get("SnapshotId"),
        volume_type=request.get("VolumeType", "standard"),
        iops=_iops(request),
        client_token=request.get("ClientToken"),
    )
    return {"Volume": view(volumes.create(call.region, call.who, command), ())}


def _iops(request: Request) -> int | None:
    """The CSI driver sends 0 for types without Iops."""
    none_taken = request.get("VolumeType") != "io1" and request.get("Iops") == 0
    return None if none_taken else request.get("Iops")


def read_volumes(call: Call) -> Mapping[str, object]:
    """The caller's volumes."""
    request = cast("Request", call.request)
    query = pages.query(request, filters.conditions("ReadVolumes", request))
    with volumes.open_page(call.region, call.who, query, call.time_limit) as page:
        return {"Volumes": cached_pages.shown(call, page, view), **pages.after(page.end)}


def delete_volume(call: Call) -> Mapping[str, object]:
    """Delete a volume that is not attached."""
    volumes.delete(call.region, call.who, str(call.request["VolumeId"]))
    return {}


def link_volume(call: Call) -> Mapping[str, object]:
    """Attach a volume to a VM."""
    request = cast("Request", call.request)
    command = Link(request["VolumeId"], request["VmId"], request["DeviceName"])
    volumes.link(call.region, call.who, command)
    return {}


def unlink_volume(call: Call) -> Mapping[str, object]:
    """Detach a volume. ForceUnlink changes nothing here: a volume that the guest does not release stays attached."""
    volumes.unlink(call.region, call.who, str(call.request["VolumeId"]))
    return {}


def view(volume: Volume, tagged: Sequence[Tag]) -> dict[str, object]:
    """A volume as the API shows it: Iops where its type has them."""
    shown: dict[str, object] = {
        "VolumeId": volume.volume_id,
        "CreationDate": dates.shown(volume.creation_date),
        "LinkedVolumes": [_link_view(volume.link)] if volume.link else [],
        "Size": volume.size_gib,
        "State": volume.state.value,
        "SubregionName": volume.subregion_name,
        "Tags": tags.resource_tags(tagged),
        "VolumeType": volume.volume_type,
    }
    optional = {
        "ClientToken": volume.client_token,
        "SnapshotId": volume.snapshot_id,
        "Iops": shown_iops(volume.size_gib, volume.volume_type, volume.iops),
        "TaskId": volume.update.task_id if volume.update else None,
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


def shown_iops(size_gib: int, volume_type: str, iops: int | None) -> int | None:
    """io1: as requested. gp2: its baseline of 3 for each GiB, from 100 to 10,000 (reference section 5)."""
    if volume_type == "gp2":
        return min(max(size_gib * GP2_IOPS_PER_GIB, GP2_MIN_IOPS), GP2_MAX_IOPS)
    return iops


def _link_view(link: VolumeLink) -> dict[str, object]:
    return {
        "DeleteOnVmDeletion": link.delete_on_vm_deletion,
        "DeviceName": link.device_name,
        "State": link.state.value,
        "VmId": link.vm_id,
        "VolumeId": link.volume_id,
    }
