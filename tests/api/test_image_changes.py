"""UpdateImage and DeleteImage on the wire."""

from typing import Any

import pytest

from souche.model.permissions import Permissions
from souche.states import ImageState, SnapshotState
from tests.api.image_requests import REGISTER, add, read_one, root
from tests.support.client import Client, absent, conflict, missing
from tests.support.resources import (
    make_image,
    make_vm,
    read_snapshot,
    read_vm,
)

# UpdateImage.


def permissions_of(client: Client, image_id: str) -> Any:
    return read_one(client, image_id)["PermissionsToLaunch"]


def test_sharing_is_idempotent_and_users_and_everybody_combine(client: Client, other: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    someone = other.who.account_id
    for _twice in range(2):
        client("UpdateImage", ImageId=image_id, **add(AccountIds=[someone, someone]))
    assert permissions_of(client, image_id) == {"AccountIds": [someone], "GlobalPermission": False}
    answer = client("UpdateImage", ImageId=image_id, **add(GlobalPermission=True))
    assert answer["Image"]["PermissionsToLaunch"] == {"AccountIds": [someone], "GlobalPermission": True}
    assert permissions_of(other, image_id) == {"AccountIds": [someone], "GlobalPermission": True}


def test_removals_take_back_what_is_there(client: Client, other: Client) -> None:
    someone = other.who.account_id
    image = make_image(client.region, client.who, permissions=Permissions((someone,), public=True))
    for _twice in range(2):
        removals = {"Removals": {"AccountIds": [someone], "GlobalPermission": True}}
        client("UpdateImage", ImageId=image.image_id, PermissionsToLaunch=removals)
    assert permissions_of(client, image.image_id) == {"AccountIds": [], "GlobalPermission": False}
    assert other("ReadImages") == {"Images": []}
    assert other.refusal("CreateVms", ImageId=image.image_id).row == absent(5023)


@pytest.mark.parametrize("nobody", [{}, {"AccountIds": [], "GlobalPermission": False}])
def test_a_change_that_names_nobody_is_absent(client: Client, nobody: dict[str, object]) -> None:
    """Clients in Go send both."""
    image_id = make_image(client.region, client.who).image_id
    everybody = {"GlobalPermission": True}
    for named, empty in (("Additions", "Removals"), ("Removals", "Additions")):
        client("UpdateImage", ImageId=image_id, PermissionsToLaunch={named: everybody, empty: nobody})
        assert permissions_of(client, image_id)["GlobalPermission"] is (named == "Additions")
    both = {"Additions": nobody, "Removals": nobody}
    assert client.refusal("UpdateImage", ImageId=image_id, PermissionsToLaunch=both).row == missing(7007)


def test_the_owner_may_share_with_itself(client: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    client("UpdateImage", ImageId=image_id, **add(AccountIds=[client.who.account_id]))
    assert permissions_of(client, image_id)["AccountIds"] == [client.who.account_id]


def test_an_account_that_there_is_not_may_be_shared_with(client: Client) -> None:
    """Which accounts there are is not told."""
    image_id = make_image(client.region, client.who).image_id
    client("UpdateImage", ImageId=image_id, **add(AccountIds=["999999999999"]))
    assert permissions_of(client, image_id)["AccountIds"] == ["999999999999"]


def test_sharing_an_image_leaves_its_snapshots_private(client: Client, other: Client) -> None:
    image = make_image(client.region, client.who)
    client("UpdateImage", ImageId=image.image_id, **add(AccountIds=[other.who.account_id]))
    assert other("ReadSnapshots") == {"Snapshots": []}
    snapshot_id = image.mappings[0].snapshot_id
    mappings = [root(str(snapshot_id))]
    register = {**REGISTER, "BlockDeviceMappings": mappings}
    assert other.refusal("CreateImage", **register).row == absent(5054)


def test_product_codes_replace_the_former_ones_and_licences_of_the_region_too(client: Client) -> None:
    """Any previously set value is deleted, as the specification says."""
    image_id = make_image(client.region, client.who).image_id
    answer = client("UpdateImage", ImageId=image_id, ProductCodes=["0002", "0009", "0002"])
    assert answer["Image"]["ProductCodes"] == ["0002", "0009"]
    assert client("UpdateImage", ImageId=image_id, ProductCodes=[])["Image"]["ProductCodes"] == ["0001"]


def test_a_description_changes_and_can_be_emptied(client: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    assert client("UpdateImage", ImageId=image_id, Description="d" * 255)["Image"]["Description"] == "d" * 255
    assert client("UpdateImage", ImageId=image_id, Description="")["Image"]["Description"] == ""


def test_the_answer_of_update_image_is_the_whole_image(client: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    client("CreateTags", ResourceIds=[image_id], Tags=[{"Key": "k", "Value": "v"}])
    answer = client("UpdateImage", ImageId=image_id, Description="new")
    assert answer["Image"] == read_one(client, image_id)
    assert answer["Image"]["Tags"] == [{"Key": "k", "Value": "v"}]


# DeleteImage.


@pytest.mark.parametrize("at_deletion", ImageState)
def test_an_image_can_be_deleted_in_any_state(client: Client, at_deletion: ImageState) -> None:
    image = make_image(client.region, client.who, state=at_deletion)
    assert client("DeleteImage", ImageId=image.image_id) == {}
    assert client("ReadImages", Filters={"ImageIds": [image.image_id]}) == {"Images": []}
    assert client.refusal("DeleteImage", ImageId=image.image_id).row == absent(5023)


def test_deleting_an_image_leaves_its_snapshots_and_vms_alone(client: Client) -> None:
    image = make_image(client.region, client.who)
    vm = make_vm(client.region, client.who, image_id=image.image_id)
    client("CreateTags", ResourceIds=[image.image_id], Tags=[{"Key": "k", "Value": "v"}])
    client("DeleteImage", ImageId=image.image_id)
    assert read_snapshot(client.region, str(image.mappings[0].snapshot_id)).state == SnapshotState.COMPLETED
    assert read_vm(client.region, vm.vm_id) == vm
    assert client("ReadTags") == {"Tags": []}


def test_a_snapshot_of_an_image_is_deleted_after_the_image_only(client: Client) -> None:
    image = make_image(client.region, client.who)
    (snapshot_id,) = image.snapshot_ids
    refusal = client.refusal("DeleteSnapshot", SnapshotId=snapshot_id)
    assert refusal.row == conflict(9094)
    assert image.image_id in refusal.details
    client("DeleteImage", ImageId=image.image_id)
    assert client("DeleteSnapshot", SnapshotId=snapshot_id) == {}


def test_deleting_a_shared_image_ends_the_sharing_and_frees_the_name(client: Client, other: Client) -> None:
    image = make_image(client.region, client.who, permissions=Permissions((other.who.account_id,)))
    client("DeleteImage", ImageId=image.image_id)
    assert other("ReadImages") == {"Images": []}
    make_image(client.region, client.who, image.name)
