"""The marketplace: versions of products that vendors publish, and who subscribes to them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Version:
    """An image that is published under a product type, and frozen since."""

    image_id: str
    image_name: str
    product_type_id: str
    account_id: str
