"""Souche's own CreateCleanImage."""

from collections.abc import Mapping
from typing import Final

from souche.api import images
from souche.api.protocol import dates, schemas
from souche.api.protocol.dispatch import Call
from souche.app import image_cleanings
from souche.app.image_cleanings import Clean
from souche.app.images import ImageSettings
from souche.model.image_cleanings import Cleaning

SCHEMA: Final = schemas.of_request(
    dict.fromkeys(("Description", "ImageId", "ImageName"), schemas.TEXT), "ImageId", "ImageName"
)


def create_clean_image(call: Call) -> Mapping[str, object]:
    """Make a clean image of one that the caller may use."""
    given = call.request.get("Description")
    settings = ImageSettings(str(call.request["ImageName"]), None if given is None else str(given))
    image = image_cleanings.create(call.region, call.who, Clean(str(call.request["ImageId"]), settings))
    return {"Image": images.view(image, ())}


def view(cleaning: Cleaning) -> dict[str, object]:
    """The removed data, as the API and the command line show it."""
    return {
        "SourceImageId": cleaning.source_image_id,
        "Date": dates.shown(cleaning.date),
        "Engine": cleaning.engine,
        "Done": [{"Code": each.code, "Path": each.path, "Text": each.text} for each in cleaning.done],
    }
