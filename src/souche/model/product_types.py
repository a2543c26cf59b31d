"""Product types: the products behind product codes."""

from dataclasses import dataclass
from typing import Final

from souche.model.images import LINUX_PRODUCT_CODE

WINDOWS_PRODUCT_CODE: Final = "0002"


@dataclass(frozen=True)
class ProductType:
    """A product that images can carry the code of. Those of the region itself belong to no account.

    `sold`: it was published on the marketplace, so only its owner and its subscribers launch its code.
    """

    product_type_id: str
    description: str
    vendor: str = ""
    account_id: str | None = None
    sold: bool = False


# Every region has these (reference section 2, "Official and Marketplace").
BUILT_IN: Final = (
    ProductType(LINUX_PRODUCT_CODE, "Linux"),
    ProductType(WINDOWS_PRODUCT_CODE, "Windows", "Microsoft"),
    ProductType("0007", "SQL Server Web"),
    ProductType("0008", "SQL Server Standard"),
    ProductType("0009", "SQL Server Enterprise"),
)
