"""Product types: listed, made and deleted (reference section 8)."""

from souche import ids
from souche.app.context import lookup, texts
from souche.app.context.region import Region
from souche.db import marketplace, product_types
from souche.db.transactions import Transaction
from souche.model.accounts import Principal
from souche.model.product_types import BUILT_IN, ProductType
from souche.refusals import NoSuchProductType, ProductTypeInUse


def find(region: Region, who: Principal | None) -> list[ProductType]:
    """The product types of the region, of the marketplace, and of the caller (None: not signed)."""
    with region.store.read() as connection:
        return [*BUILT_IN, *product_types.seen_by(connection, who.account_id if who else None)]


def create(region: Region, who: Principal, description: str, vendor: str = "") -> ProductType:
    """Create a product type. Its id is a product code for the caller's images.

    Raises:
        ValueTooLong.
    """
    texts.check_description(description)
    texts.check_vendor(vendor)
    product_type = ProductType(region.ids.new(ids.PRODUCT_TYPE), description, vendor, who.account_id)
    with region.begin() as work:
        product_types.insert(work.connection, product_type, region.clock.now())
    return product_type


def delete(region: Region, who: Principal, product_type_id: str, *, force: bool) -> None:
    """Delete the caller's product type. With `force`, images may have its code, and keep it.

    Raises:
        NoSuchProductType: unknown, the region's, or another account's.
        ProductTypeInUse: an image has the code; or a version is on the marketplace under it, even with `force`.
    """
    with region.begin() as work:
        own(work.connection, who, product_type_id)
        published = marketplace.versions(work.connection, product_type_id)
        image_id = published[0].image_id if published else None
        if image_id is None and not force:
            image_id = product_types.image_with(work.connection, product_type_id)
        if image_id is not None:
            shown = lookup.shown_image_id(work.connection, who, image_id)
            raise ProductTypeInUse(product_type_id=product_type_id, image_id=shown)
        product_types.erase(work.connection, product_type_id)


def own(connection: Transaction, who: Principal, product_type_id: str) -> ProductType:
    """A product type of the caller's.

    Raises:
        NoSuchProductType.
    """
    found = product_types.get(connection, product_type_id)
    if found is None or found.account_id != who.account_id:
        raise NoSuchProductType(product_type_id=product_type_id)
    return found
