"""Souche's own AdoptImage."""

from collections.abc import Mapping
from typing import Any, Final

from souche.api import images
from souche.api.dispatch import Call
from souche.app import image_copies

SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["ImageId"],
    "properties": {
        "DryRun": {"type": "boolean"},
        "ImageId": {"type": "string"},
        "ImageName": {"type": "string"},
    },
}


def adopt_image(call: Call) -> Mapping[str, object]:
    """Make an image of another account's the caller's own, in one step."""
    name = call.request.get("ImageName")
    image_id = str(call.request["ImageId"])
    made = image_copies.adopt(call.region, call.who, image_id, None if name is None else str(name))
    return {"Image": images.view(made, ())}
