"""Souche's own AdoptImage."""

from collections.abc import Mapping
from typing import Final

from souche.api import images
from souche.api.protocol import schemas
from souche.api.protocol.dispatch import Call
from souche.app import image_copies

SCHEMA: Final = schemas.of_request({"ImageId": schemas.TEXT, "ImageName": schemas.TEXT}, "ImageId")


def adopt_image(call: Call) -> Mapping[str, object]:
    """Copy another account's image for the caller, in one step."""
    name = call.request.get("ImageName")
    image_id = str(call.request["ImageId"])
    made = image_copies.adopt(call.region, call.who, image_id, None if name is None else str(name))
    return {"Image": images.view(made, ())}
