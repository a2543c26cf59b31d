"""ReadProductTypes, CreateProductType, DeleteProductType."""

from collections.abc import Mapping
from typing import Any, Final, cast

from souche.api import types
from souche.api.protocol import static_pages
from souche.api.protocol.dispatch import Call
from souche.app import product_types
from souche.model.product_types import ProductType

FILTERS: Final[static_pages.Fields[ProductType]] = {
    "ProductTypeIds": lambda product_type: product_type.product_type_id
}


def read_product_types(call: Call) -> Mapping[str, object]:
    """The product types that everyone sees, and the caller's own, if the request is signed."""
    request = cast("Mapping[str, Any]", call.request)
    seen = product_types.find(call.region, call.principal)
    found = static_pages.select(seen, request.get("Filters", {}), FILTERS)
    rows, following = static_pages.page(found, request)
    return {"ProductTypes": [_view(row) for row in rows], **following}


def create_product_type(call: Call) -> Mapping[str, object]:
    """CreateProductType."""
    vendor = str(call.request.get("Vendor", ""))
    made = product_types.create(call.region, call.who, str(call.request["Description"]), vendor)
    return {"ProductType": _view(made)}


def delete_product_type(call: Call) -> Mapping[str, object]:
    """DeleteProductType."""
    product_type_id = str(call.request["ProductTypeId"])
    product_types.delete(call.region, call.who, product_type_id, force=call.request.get("Force") is True)
    return {}


def _view(product_type: ProductType) -> types.ProductType:
    """Vendor is absent if it is unknown."""
    shown: types.ProductType = {
        "Description": product_type.description,
        "ProductTypeId": product_type.product_type_id,
    }
    if product_type.vendor:
        shown["Vendor"] = product_type.vendor
    return shown
