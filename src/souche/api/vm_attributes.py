"""Attributes of images for their VMs: Souche's own UpdateImageAttributes; and what VMs took of them: ReadVmOrigins."""

from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from souche.api.protocol import pages, schemas
from souche.api.protocol.dispatch import Call
from souche.app import image_attributes, vm_origins
from souche.app.image_attributes import Change
from souche.app.vm_origins import VmOrigin
from souche.model.images import BootMode, VmAttributes
from souche.model.query import Condition, Position
from souche.model.vms import PERFORMANCES, SHUTDOWN_BEHAVIORS

FIELDS: Final[Mapping[str, str]] = {
    "DeletionProtection": "deletion_protection",
    "ShutdownBehavior": "shutdown_behavior",
    "Performance": "performance",
    "BootMode": "boot_mode",
}
UPDATE_SCHEMA: Final = schemas.of_request(
    {
        "ImageId": schemas.TEXT,
        "DeletionProtection": {"type": "boolean"},
        "ShutdownBehavior": {"type": "string", "enum": list(SHUTDOWN_BEHAVIORS)},
        "Performance": {"type": "string", "enum": list(PERFORMANCES)},
        "BootMode": {"type": "string", "enum": list(get_args(BootMode))},
        "Unset": {"type": "array", "items": {"type": "string", "enum": list(FIELDS)}},
    },
    "ImageId",
)
READ_SCHEMA: Final = schemas.of_request({"VmIds": schemas.TEXTS, **schemas.PAGE})


def update_image_attributes(call: Call) -> Mapping[str, object]:
    """Set or clear the attributes that an image gives to its VMs."""
    request = cast("Mapping[str, Any]", call.request)
    change = Change(
        image_id=request["ImageId"],
        given=VmAttributes(**{field: request.get(name) for name, field in FIELDS.items()}),
        unset=frozenset(FIELDS[name] for name in request.get("Unset", ())),
    )
    image = image_attributes.update(call.region, call.who, change)
    return {"ImageAttributes": {"ImageId": image.image_id, "VmAttributes": view(image.vm_attributes)}}


def read_vm_origins(call: Call) -> Mapping[str, object]:
    """The images of the caller's VMs, and the attributes that the VMs took from them."""
    request = cast("Mapping[str, Any]", call.request)
    wanted = request.get("VmIds")
    conditions = () if wanted is None else (Condition("vm_id", tuple(wanted)),)
    found = vm_origins.find(call.region, call.who, pages.query(request, conditions))
    following = pages.following(found.resources, _position, more=found.more)
    return {"VmOrigins": [_origin(origin) for origin in found.resources], **following}


def _position(origin: VmOrigin) -> Position:
    return Position(origin.vm.creation_date, origin.vm.vm_id)


def _origin(origin: VmOrigin) -> dict[str, object]:
    return {
        "VmId": origin.vm.vm_id,
        "ImageId": origin.vm.image_id,
        "TakenFromImage": view(origin.taken),
    }


def view(attributes: VmAttributes | None) -> dict[str, object]:
    """Attributes as the API and the command line show them; null: not set."""
    shown = attributes or VmAttributes()
    return {name: getattr(shown, field) for name, field in FIELDS.items()}
