"""The origins of images, as one caller may know them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from souche.model.images import Image

Source: TypeAlias = Literal["official", "Marketplace", "own", "shared", "public", "imported"]


@dataclass(frozen=True)
class Publisher:
    """The owner of an image; `vendor` is that of its product, if it is a version on the Marketplace."""

    account_id: str
    account_alias: str | None
    vendor: str | None = None


@dataclass(frozen=True)
class Origin:
    """`image` has only the fields that the caller may see. `ancestors` are the images that it was made from, nearest
    first, as far as there are records; None: an image that the caller may not see. `export_location` is the URL of the
    manifest that it was imported from, without its query; None: it was not imported."""

    image: Image
    source: Source
    publisher: Publisher
    ancestors: tuple[str | None, ...] = ()
    export_location: str | None = None
