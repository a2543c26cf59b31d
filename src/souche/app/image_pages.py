"""Pages of the images that a caller may launch (reference section 2, ReadImages)."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from souche.app import image_names
from souche.app.found import Found
from souche.app.region import Region
from souche.db import images
from souche.db.store import Reader
from souche.model.accounts import Principal
from souche.model.images import Image
from souche.model.query import PageRow, Query
from souche.model.tags import Tag


@dataclass(frozen=True)
class OpenPage:
    """A page of images in a transaction that is open: which images it has, oldest first, and whether more remain."""

    region: Region
    who: Principal
    reader: Reader
    rows: Sequence[PageRow]
    more: bool

    def read(self, rows: Iterable[PageRow]) -> Iterator[tuple[PageRow, Image, Sequence[Tag]]]:
        """The images of some of the rows, in any order, as the caller may see them; the tags of the caller's own
        only."""
        wanted = {row.resource_id: row for row in rows}
        for image_id, (image, tagged) in images.read(self.reader, wanted).items():
            row = wanted[image_id]
            yield row, seen_by(self.region, self.who, image), tagged if row.is_own else ()


@contextmanager
def open_page(
    region: Region, who: Principal, query: Query, time_limit: float | None = None
) -> Iterator[OpenPage]:
    """A page of what the caller may launch. The transaction ends with the context: what is read of the page's images
    is of the moment in which the page was found.

    Raises:
        OutOfTime: the read took longer than `time_limit` (seconds; None: it may take any time).
    """
    with region.store.reader(time_limit) as reader:
        rows, more = image_names.find(reader, who, query)
        yield OpenPage(region, who, reader, rows, more)


def find(region: Region, who: Principal, query: Query) -> Found[Image]:
    """What the caller may launch, oldest first; the tags of the caller's own only."""
    with open_page(region, who, query) as page:
        whole = {row.resource_id: (image, tagged) for row, image, tagged in page.read(page.rows)}
    found = [whole[row.resource_id] for row in page.rows]
    tags = {image.image_id: tuple(tagged) for image, tagged in found if tagged}
    return Found([image for image, _ in found], tags, page.more)


def seen_by(region: Region, who: Principal, image: Image) -> Image:
    """The image as the caller may see it: the owner of an imported one sees the whole URL, with its signature."""
    if image.sealed_location is None or image.account_id != who.account_id:
        return image
    return replace(image, file_location=region.vault.unseal(image.sealed_location.encode()))
