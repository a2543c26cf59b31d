"""The origins of images, as far as the caller may know them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from souche.app import image_pages
from souche.app.context.page import Page
from souche.app.context.region import Region
from souche.db import accounts, marketplace
from souche.db import images as records
from souche.db.transactions import Transaction
from souche.model.accounts import PROVIDER_NAME, Principal
from souche.model.image_origins import Origin, Publisher, Source
from souche.model.images import Image
from souche.model.query import Query
from souche.refusals import NoSuchImage

MOST_ANCESTORS: Final = 100


def find(region: Region, who: Principal, query: Query) -> Page[Origin]:
    """The images that the caller may launch, oldest first. For another account's image the caller sees only ancestors
    that it may launch, and never the VM. For its own images it sees everything: it named them itself."""
    page = image_pages.find(region, who, query)
    with region.store.read() as connection:
        origins = _origins(connection, who, page.resources)
    return Page(origins, {}, page.more)


def of_image(region: Region, image_id: str) -> Origin:
    """The origin as the owner of the image sees it, for the operator.

    Raises:
        NoSuchImage.
    """
    with region.store.read() as connection:
        image = records.get(connection, image_id)
        if image is None:
            raise NoSuchImage(image_id=image_id)
        return _origins(connection, Principal(image.account_id), [image])[0]


def _origins(connection: Transaction, who: Principal, found: list[Image]) -> list[Origin]:
    parents = _parents(connection, found)
    named = {each for image in found for each in _named_by(image)} | parents.keys()
    usable = records.usable_ids(connection, who.account_id, sorted(named))
    vendors = marketplace.vendors(connection, [image.image_id for image in found])
    provider = accounts.named(connection, PROVIDER_NAME)
    provider_id = provider.account_id if provider else None
    return [
        Origin(
            image=image if image.account_id == who.account_id else _shown(image, usable),
            source=_source(who, image, provider_id, vendors),
            publisher=Publisher(image.account_id, image.account_alias, vendors.get(image.image_id)),
            ancestors=tuple(_ancestors(who, image, parents, usable)),
            export_location=_export_location(image),
        )
        for image in found
    ]


def _parents(connection: Transaction, found: Iterable[Image]) -> dict[str, records.Parent]:
    """The account and the source of every image that others were made from, by id: one statement a generation."""
    known: dict[str, records.Parent] = {}
    wanted = {image.source_image_id for image in found if image.source_image_id}
    for _generation in range(MOST_ANCESTORS):
        new = records.parents(connection, sorted(wanted - known.keys()))
        if not new:
            break
        known |= new
        wanted = {parent.source_image_id for parent in new.values() if parent.source_image_id}
    return known


def _named_by(image: Image) -> set[str]:
    lineage = image.lineage
    ids = {image.source_image_id, *((lineage.image_id, lineage.source_image_id) if lineage else ())}
    return {each for each in ids if each}


def _ancestors(
    who: Principal, image: Image, parents: Mapping[str, records.Parent], usable: set[str]
) -> Iterable[str | None]:
    own, source = image.account_id == who.account_id, image.source_image_id
    for _generation in range(MOST_ANCESTORS):
        if source is None:
            return
        yield source if own or source in usable else None
        parent = parents.get(source)
        if parent is None:
            return
        own, source = parent.account_id == who.account_id, parent.source_image_id


def _source(
    who: Principal, image: Image, provider_id: str | None, vendors: Mapping[str, str | None]
) -> Source:
    if image.account_id == provider_id:
        return "official"
    if image.image_id in vendors:
        return "Marketplace"
    if image.account_id == who.account_id:
        return "imported" if _export_location(image) else "own"
    return "shared" if who.account_id in image.permissions.account_ids else "public"


def _export_location(image: Image) -> str | None:
    """The location of every other image is its account and its name."""
    location = image.file_location.partition("?")[0]
    return location if "://" in location else None


def _shown(image: Image, usable: set[str]) -> Image:
    def known(image_id: str | None) -> str | None:
        return image_id if image_id in usable else None

    lineage = image.lineage and replace(
        image.lineage,
        image_id=known(image.lineage.image_id) or "",
        source_image_id=known(image.lineage.source_image_id),
        source_vm_id=None,
        export_task_id=None,
    )
    return replace(image, source_image_id=known(image.source_image_id), source_vm_id=None, lineage=lineage)
