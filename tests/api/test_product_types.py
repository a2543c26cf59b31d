"""Product types on the wire (reference section 8)."""

import pytest

from souche.api.product_types import read_product_types
from souche.app.context.region import Region
from souche.states import VmState
from tests.support.client import Client, absent, conflict, value
from tests.support.region import call
from tests.support.resources import make_image, make_vm


def test_one_of_the_region_is_read_without_credentials(region: Region) -> None:
    request = {"Filters": {"ProductTypeIds": ["0001"]}}
    answer = read_product_types(call(region, None, **request))
    assert answer == {"ProductTypes": [{"Description": "Linux", "ProductTypeId": "0001"}]}


def test_windows_is_microsofts(client: Client) -> None:
    (windows,) = client("ReadProductTypes", Filters={"ProductTypeIds": ["0002"]})["ProductTypes"]
    assert windows == {"Description": "Windows", "ProductTypeId": "0002", "Vendor": "Microsoft"}


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


@pytest.mark.parametrize("vm_type", ["t2.small", "tinav2.c2r4", "tinav3.c1r4", "tinav3.c2r3"])
def test_windows_is_refused_below_generation_3_2_vcores_or_4_gib(client: Client, vm_type: str) -> None:
    image_id = make_image(client.region, client.who, product_codes=("0002",)).image_id
    launch = client.refusal("CreateVms", ImageId=image_id, VmType=vm_type)
    assert launch.row == conflict(9072)
    assert "Windows needs generation v3, 2 vCores and 4 GiB" in launch.details
    vm = make_vm(client.region, client.who, VmState.STOPPED, product_codes=("0002",))
    assert client.refusal("UpdateVm", VmId=vm.vm_id, VmType=vm_type) == launch


def test_windows_runs_from_generation_3_2_vcores_and_4_gib_on(client: Client) -> None:
    image_id = make_image(client.region, client.who, product_codes=("0002",)).image_id
    (vm,) = client("CreateVms", ImageId=image_id, VmType="tinav3.c2r4")["Vms"]
    assert vm["ProductCodes"] == ["0002"]
    linux = make_image(client.region, client.who, "linux").image_id
    assert client("CreateVms", ImageId=linux, VmType="tinav2.c1r1")["Vms"]


@pytest.mark.parametrize("vm_type", ["t9.huge", "tina.c1r1", "tinav5.c1r1p4", ""])
def test_another_vm_type_than_the_grammar_and_the_table_have_is_refused(client: Client, vm_type: str) -> None:
    image_id = make_image(client.region, client.who).image_id
    assert client.refusal("CreateVms", ImageId=image_id, VmType=vm_type).row == absent(5024)


def test_a_product_type_that_is_in_use_or_unknown_is_refused_with_its_code(client: Client) -> None:
    product = client("CreateProductType", Description="Mine")["ProductType"]["ProductTypeId"]
    image = make_image(client.region, client.who, product_codes=(product,))
    delete = client.refusal("DeleteProductType", ProductTypeId=product)
    assert delete.row == conflict(9002)
    assert image.image_id in delete.details
    assert client.refusal("DeleteProductType", ProductTypeId="0001").row == absent(5059)
    assert client.refusal("CreateProductType", Description="d" * 256).row == value(4106)
    assert client("DeleteProductType", ProductTypeId=product, Force=True) == {}
