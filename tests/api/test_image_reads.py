"""ReadImages on the wire: filters, scopes, pages."""

import pytest

from souche.api.protocol import spec
from souche.app.context.region import Region
from souche.model.accounts import Principal
from souche.model.images import ImageMapping
from souche.model.permissions import Permissions
from souche.states import ImageState
from tests.api.image_requests import read_one
from tests.support.client import Client
from tests.support.region import make_account
from tests.support.resources import (
    make_image,
    make_snapshot,
)

# ReadImages.


FILTER_SHAPES = spec.document()["schemas"]["FiltersImage"]["properties"]
UNKNOWN = {"integer": 15_000, "string": "no such / value"}


@pytest.mark.parametrize("name", [name for name, shape in FILTER_SHAPES.items() if shape["type"] == "array"])
def test_an_unknown_value_of_a_filter_gives_an_empty_list(client: Client, name: str) -> None:
    """No filter has an enumeration: a boot mode that there is not is no error either."""
    make_image(client.region, client.who)
    wanted = {name: [UNKNOWN[FILTER_SHAPES[name]["items"]["type"]]]}
    assert client("ReadImages", Filters=wanted) == {"Images": []}


@pytest.mark.parametrize(
    "name", [name for name, shape in FILTER_SHAPES.items() if shape.get("items") == {"type": "string"}]
)
def test_the_star_is_a_wildcard_in_names_and_locations_and_nowhere_else(client: Client, name: str) -> None:
    """A wildcard would find this image, which has something of everything."""
    granted = Permissions((client.who.account_id,), public=True)
    image = make_image(client.region, client.who, description="of today", permissions=granted)
    client("CreateTags", ResourceIds=[image.image_id], Tags=[{"Key": "k", "Value": "v"}])
    found = client("ReadImages", Filters={name: ["*"]})["Images"]
    assert len(found) == (1 if name in ("ImageNames", "FileLocations") else 0)


SHOWN_AND_FOUND_BY = {
    "AccountAlias": "AccountAliases",
    "AccountId": "AccountIds",
    "Architecture": "Architectures",
    "BootModes": "BootModes",
    "Description": "Descriptions",
    "FileLocation": "FileLocations",
    "ImageId": "ImageIds",
    "ImageName": "ImageNames",
    "ProductCodes": "ProductCodes",
    "RootDeviceName": "RootDeviceNames",
    "RootDeviceType": "RootDeviceTypes",
    "SecureBoot": "SecureBoot",
    "State": "States",
    "TpmMandatory": "TpmMandatory",
}


@pytest.mark.parametrize("field", SHOWN_AND_FOUND_BY)
def test_an_image_is_found_by_what_it_shows(region: Region, field: str) -> None:
    """Characters that are special in patterns are literal where wildcards are not supported."""
    client = Client(region, make_account(region, "vendor", alias="Vendor *?[x]"))
    for changes in ({}, {"description": "a*b?c[d]%_"}, {"state": ImageState.FAILED, "mappings": ()}):
        image = make_image(region, client.who, f"image ({len(changes)})/.-", **changes)
        shown = read_one(client, image.image_id)[field]
        wanted = shown if isinstance(shown, bool | list) else [shown]
        found = client("ReadImages", Filters={SHOWN_AND_FOUND_BY[field]: wanted})["Images"]
        assert image.image_id in [each["ImageId"] for each in found]


def test_a_question_mark_stands_for_itself(client: Client) -> None:
    make_image(client.region, client.who, "image 1")
    for pattern, number in (("image ?", 0), ("imag*?", 0), ("image *", 1)):
        assert len(client("ReadImages", Filters={"ImageNames": [pattern]})["Images"]) == number


def test_the_default_scope_is_own_shared_and_public(region: Region, client: Client, bob: Principal) -> None:
    own = make_image(region, client.who)
    shared = make_image(region, bob, "shared", permissions=Permissions((client.who.account_id,)))
    public = make_image(region, bob, "public", permissions=Permissions(public=True))
    make_image(region, bob, "private")
    wanted = {own.image_id, shared.image_id, public.image_id}
    assert {image["ImageId"] for image in client("ReadImages")["Images"]} == wanted
    of_bob = client("ReadImages", Filters={"AccountIds": [bob.account_id]})["Images"]
    assert {image["ImageId"] for image in of_bob} == {shared.image_id, public.image_id}


def test_own_images_are_found_by_the_accounts_id(region: Region, client: Client, bob: Principal) -> None:
    own = make_image(region, client.who)
    make_image(region, bob, permissions=Permissions(public=True))
    (found,) = client("ReadImages", Filters={"AccountIds": [client.who.account_id]})["Images"]
    assert found["ImageId"] == own.image_id


def test_the_filter_of_grants_matches_those_given_and_not_the_owner(
    region: Region, client: Client, other: Client
) -> None:
    grantee = other.who.account_id
    shared = make_image(region, client.who, permissions=Permissions((grantee,)))
    make_image(region, client.who, "public", permissions=Permissions(public=True))

    def found(asking: Client, account_id: str) -> list[str]:
        filters = {"PermissionsToLaunchAccountIds": [account_id]}
        return [image["ImageId"] for image in asking("ReadImages", Filters=filters)["Images"]]

    assert found(client, client.who.account_id) == []
    assert found(client, grantee) == found(other, grantee) == [shared.image_id]


def test_a_filter_on_mappings_matches_when_any_mapping_does(client: Client) -> None:
    data = ImageMapping("/dev/xvdb", None, 77, "gp2", delete_on_vm_deletion=False)
    snapshot_id = make_snapshot(client.region, client.who).snapshot_id
    mappings = (ImageMapping("/dev/sda1", snapshot_id, 10), data)
    image = make_image(client.region, client.who, mappings=mappings)
    for name, wanted in (
        ("DeviceNames", ["/dev/xvdb"]),
        ("DeviceNames", ["/dev/sda1"]),
        ("SnapshotIds", [snapshot_id]),
        ("VolumeSizes", [77]),
        ("VolumeTypes", ["gp2"]),
        ("DeleteOnVmDeletion", False),
        ("DeleteOnVmDeletion", True),
    ):
        (found,) = client("ReadImages", Filters={f"BlockDeviceMapping{name}": wanted})["Images"]
        assert found["ImageId"] == image.image_id


def test_a_token_may_be_used_again_and_names_the_same_page(client: Client) -> None:
    for number in range(3):
        make_image(client.region, client.who, f"image {number}")
    token = client("ReadImages", ResultsPerPage=1)["NextPageToken"]
    second = client("ReadImages", ResultsPerPage=1, NextPageToken=token)
    assert client("ReadImages", ResultsPerPage=1, NextPageToken=token) == second
    assert len(second["Images"]) == 1


def test_all_images_come_without_a_token_when_no_page_size_is_given(client: Client) -> None:
    for number in range(101):
        make_image(client.region, client.who, f"image {number}")
    answer = client("ReadImages")
    assert (len(answer["Images"]), "NextPageToken" in answer) == (101, False)
