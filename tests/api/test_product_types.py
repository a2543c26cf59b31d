"""Product types on the wire (reference section 8)."""

from souche.api.product_types import read_product_types
from souche.app.region import Region
from tests.support.client import Client, absent, conflict, value
from tests.support.region import call
from tests.support.resources import make_image


def test_one_of_the_region_is_read_without_credentials(region: Region) -> None:
    request = {"Filters": {"ProductTypeIds": ["0001"]}}
    answer = read_product_types(call(region, None, **request))
    assert answer == {"ProductTypes": [{"Description": "Linux", "ProductTypeId": "0001"}]}


def test_a_product_type_is_made_read_and_deleted(client: Client) -> None:
    made = client("CreateProductType", Description="Mine", Vendor="me")["ProductType"]
    assert made == {"Description": "Mine", "ProductTypeId": made["ProductTypeId"], "Vendor": "me"}
    wanted = {"ProductTypeIds": [made["ProductTypeId"]]}
    assert client("ReadProductTypes", Filters=wanted)["ProductTypes"] == [made]
    assert client("DeleteProductType", ProductTypeId=made["ProductTypeId"]) == {}
    assert client("ReadProductTypes", Filters=wanted)["ProductTypes"] == []


def test_product_types_go_by_pages(client: Client) -> None:
    first = client("ReadProductTypes", ResultsPerPage=4)
    last = client("ReadProductTypes", ResultsPerPage=4, NextPageToken=first["NextPageToken"])
    assert [len(page["ProductTypes"]) for page in (first, last)] == [4, 1]


def test_a_product_type_that_is_in_use_or_unknown_is_refused_with_its_code(client: Client) -> None:
    product = client("CreateProductType", Description="Mine")["ProductType"]["ProductTypeId"]
    image = make_image(client.region, client.who, product_codes=(product,))
    delete = client.refusal("DeleteProductType", ProductTypeId=product)
    assert delete.row == conflict(9002)
    assert image.image_id in delete.details
    assert client.refusal("DeleteProductType", ProductTypeId="0001").row == absent(5059)
    assert client.refusal("CreateProductType", Description="d" * 256).row == value(4106)
    assert client("DeleteProductType", ProductTypeId=product, Force=True) == {}
