"""Boots of images before publication, for the operator."""

from souche.app.context.region import Region
from souche.db import image_boots, images
from souche.model.image_boots import Verification
from souche.refusals import NoSuchImage


def last(region: Region, image_id: str) -> Verification | None:
    """The last boot of an image; None: it was never booted.

    Raises:
        NoSuchImage.
    """
    with region.store.read() as connection:
        if images.get(connection, image_id) is None:
            raise NoSuchImage(image_id=image_id)
        return image_boots.get(connection, image_id)
