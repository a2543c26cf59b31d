"""Souche's own ReadImageOrigins."""

from collections.abc import Mapping
from typing import Any, Final, cast

from souche.api import vm_attributes
from souche.api.protocol import pages, schemas
from souche.api.protocol.dispatch import Call
from souche.app import image_origins
from souche.model.image_origins import Origin
from souche.model.images import Image, Lineage, SignedBy
from souche.model.query import Condition, Position

SCHEMA: Final = schemas.of_request({"ImageIds": schemas.TEXTS, **schemas.PAGE})


def read_image_origins(call: Call) -> Mapping[str, object]:
    """Where images come from, how their disks were captured, and their attributes for VMs: ReadImages has no fields for
    these."""
    request = cast("Mapping[str, Any]", call.request)
    wanted = request.get("ImageIds")
    conditions = () if wanted is None else (Condition("image_id", tuple(wanted)),)
    found = image_origins.find(call.region, call.who, pages.query(request, conditions))
    following = pages.following(found.resources, _position, more=found.more)
    return {"ImageOrigins": [view(origin) for origin in found.resources], **following}


def _position(origin: Origin) -> Position:
    return Position(origin.image.creation_date, origin.image.image_id)


def view(origin: Origin) -> dict[str, object]:
    """An image's origin as the API and the command line show it."""
    image, lineage = origin.image, origin.image.lineage
    return {
        "ImageId": image.image_id,
        "Source": origin.source,
        "Publisher": {
            "AccountId": origin.publisher.account_id,
            "AccountAlias": origin.publisher.account_alias,
            "Vendor": origin.publisher.vendor,
        },
        "SourceVmId": image.source_vm_id,
        "SourceImageId": image.source_image_id,
        "Ancestors": list(origin.ancestors),
        "Lineage": _lineage(lineage) if lineage else None,
        "Export": _export(origin),
        "SignedBy": _signed_by(lineage.signed_by) if lineage and lineage.signed_by else None,
        "Consistency": _consistency(image),
        "GuestPauseMilliseconds": _pause(image),
        "VmAttributes": vm_attributes.view(image.vm_attributes),
    }


def _export(origin: Origin) -> dict[str, object] | None:
    lineage = origin.image.lineage
    if origin.export_location is None:
        return None
    return {
        "Location": origin.export_location,
        "RegionName": lineage.region if lineage else None,
        "TaskId": lineage.export_task_id if lineage else None,
    }


def _consistency(image: Image) -> dict[str, object]:
    found = image.consistency
    return {
        "State": found.state if found else None,
        "OneInstant": found.one_instant if found else None,
        "GuestPauseMilliseconds": _pause(image),
    }


def _pause(image: Image) -> float | None:
    pause = image.guest_pause_seconds
    return None if pause is None else round(pause * 1000, 3)


def _signed_by(signed_by: SignedBy) -> dict[str, object]:
    return {
        "RegionId": signed_by.region_id,
        "RegionName": signed_by.region,
        "KeyFingerprint": signed_by.key_fingerprint,
        "Trusted": signed_by.trusted,
    }


def _lineage(lineage: Lineage) -> dict[str, object]:
    return {
        "Region": lineage.region,
        "ImageId": lineage.image_id or None,
        "CreationDate": lineage.creation_date,
        "SourceVmId": lineage.source_vm_id,
        "SourceImageId": lineage.source_image_id,
    }
