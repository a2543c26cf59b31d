"""Where images come from, as a caller may know it."""

from dataclasses import replace

from souche.app import images
from souche.app.region import Region
from souche.db import images as records
from souche.model.accounts import Principal
from souche.model.images import Image
from souche.model.query import Query


def find(region: Region, who: Principal, query: Query) -> list[Image]:
    """The images that the caller may launch, oldest first. Of another account's image the caller learns which images
    it comes from where it may launch these too, and never the VM; of an own one, all: the caller named them."""
    found = images.find(region, who, query).resources
    sources = {each for image in found if image.account_id != who.account_id for each in _sources(image)}
    with region.store.read() as connection:
        usable = records.usable_ids(connection, who.account_id, sorted(sources))
    return [image if image.account_id == who.account_id else _shown(image, usable) for image in found]


def _sources(image: Image) -> set[str]:
    lineage = image.lineage
    ids = {image.source_image_id, *((lineage.image_id, lineage.source_image_id) if lineage else ())}
    return {each for each in ids if each}


def _shown(image: Image, usable: set[str]) -> Image:
    def known(image_id: str | None) -> str | None:
        return image_id if image_id in usable else None

    lineage = image.lineage and replace(
        image.lineage,
        image_id=known(image.lineage.image_id) or "",
        source_image_id=known(image.lineage.source_image_id),
        source_vm_id=None,
    )
    return replace(image, source_image_id=known(image.source_image_id), source_vm_id=None, lineage=lineage)
