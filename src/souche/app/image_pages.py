"""Pages of the images that a caller may launch (reference section 2, ReadImages)."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from souche.app import image_names
from souche.app.context.open_pages import OpenPage
from souche.app.context.page import Page
from souche.app.context.region import Region
from souche.db import images
from souche.db.store import Reader
from souche.model.accounts import Principal
from souche.model.images import Image
from souche.model.query import Query
from souche.model.tags import Tag


@contextmanager
def open_page(
    region: Region, who: Principal, query: Query, time_limit: float | None = None
) -> Iterator[OpenPage[Image]]:
    """A page of the images that the caller may launch. The transaction ends with the context, so the images are read as
    of the moment of the page.

    Raises:
        OutOfTime: the read took longer than `time_limit` (seconds; None: no limit).
    """
    once = not query.conditions  # no rows are counted, and the JSON of most images is cached
    with region.store.reader(time_limit, once=once) as reader:
        rows, more = image_names.find(reader, who, query)
        yield OpenPage(rows, more, partial(_images, region, who, reader))


def _images(
    region: Region, who: Principal, reader: Reader, image_ids: Collection[str]
) -> dict[str, tuple[Image, Sequence[Tag]]]:
    found = images.read(reader, image_ids)
    return {image_id: (seen_by(region, who, image), tagged) for image_id, (image, tagged) in found.items()}


def find(region: Region, who: Principal, query: Query) -> Page[Image]:
    """The images that the caller may launch, oldest first, with the caller's tags only."""
    with open_page(region, who, query) as page:
        whole = {row.resource_id: (image, tagged) for row, image, tagged in page.read(page.rows)}
    found = [whole[row.resource_id] for row in page.rows]
    tags = {image.image_id: tuple(tagged) for image, tagged in found if tagged}
    return Page([image for image, _ in found], tags, page.more)


def seen_by(region: Region, who: Principal, image: Image) -> Image:
    """The image as the caller sees it: only the owner of an imported image sees the whole URL, with its signature."""
    if image.sealed_location is None or image.account_id != who.account_id:
        return image
    return replace(image, file_location=region.vault.unseal(image.sealed_location.encode()))
