"""Images on the wire: the modes of CreateImage, and what each answers."""

from typing import Any, cast

import pytest

from souche.api import spec
from souche.api.image_origins import read_image_origins
from souche.app.region import Region
from souche.db import images
from souche.model.accounts import Principal
from souche.model.images import ImageMapping, Lineage, VmAttributes
from souche.model.permissions import Permissions
from souche.states import ImageState, SnapshotState
from tests.api.image_requests import EPHEMERAL, REGISTER, add, registering, root
from tests.support.client import Client, absent, conflict, missing, unsupported, value
from tests.support.region import call, make_account
from tests.support.resources import (
    attach,
    make_image,
    make_snapshot,
    make_vm,
    read_image,
    read_snapshot,
    read_vm,
)

HERE = "eu-test-1"


def read_one(client: Client, image_id: str) -> dict[str, Any]:
    (image,) = client("ReadImages", Filters={"ImageIds": [image_id]})["Images"]
    found: dict[str, Any] = image
    return found


# The whole answer of each mode.


def test_an_image_from_a_vm_has_a_mapping_for_each_attached_volume(client: Client) -> None:
    vm = make_vm(client.region, client.who)
    attach(
        client.region, vm, "/dev/xvdb", volume_type="io1", iops=500, size_gib=20, delete_on_vm_deletion=False
    )
    answer = client("CreateImage", VmId=vm.vm_id, ImageName="golden", NoReboot=True, Description="of today")
    image = answer["Image"]
    snapshot_ids = [mapping["Bsu"].pop("SnapshotId") for mapping in image["BlockDeviceMappings"]]
    assert image == {
        "AccountId": client.who.account_id,
        "Architecture": "x86_64",
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/sda1",
                "Bsu": {"DeleteOnVmDeletion": True, "VolumeSize": 10, "VolumeType": "standard"},
            },
            {
                "DeviceName": "/dev/xvdb",
                "Bsu": {"DeleteOnVmDeletion": False, "Iops": 500, "VolumeSize": 20, "VolumeType": "io1"},
            },
        ],
        "BootModes": ["legacy"],
        "CreationDate": "2026-11-24T10:00:00.000Z",
        "Description": "of today",
        "FileLocation": f"{client.who.account_id}/golden",
        "ImageId": image["ImageId"],
        "ImageName": "golden",
        "ImageType": "machine",
        "PermissionsToLaunch": {"AccountIds": [], "GlobalPermission": False},
        "ProductCodes": ["0001"],
        "RootDeviceName": "/dev/sda1",
        "RootDeviceType": "bsu",
        "SecureBoot": False,
        "State": "pending",
        "StateComment": {},
        "Tags": [],
        "TpmMandatory": False,
    }
    assert [read_snapshot(client.region, each).state for each in snapshot_ids] == [SnapshotState.IN_QUEUE] * 2


def test_a_registered_image_is_available_at_once(client: Client) -> None:
    snapshot = make_snapshot(client.region, client.who)
    image = client(
        "CreateImage",
        ImageName="registered",
        RootDeviceName="/dev/sda1",
        BlockDeviceMappings=[root(snapshot.snapshot_id)],
        BootModes=["legacy", "uefi"],
        ProductCodes=["0007", "0002"],
        Architecture="i386",
        TpmMandatory=True,
    )["Image"]
    assert image["State"] == "available"
    assert image["Architecture"] == "i386"
    assert image["TpmMandatory"] is True
    assert image["ProductCodes"] == ["0002", "0007"]
    assert image["BlockDeviceMappings"] == [
        {
            "DeviceName": "/dev/sda1",
            "Bsu": {
                "DeleteOnVmDeletion": True,
                "SnapshotId": snapshot.snapshot_id,
                "VolumeSize": 10,
                "VolumeType": "standard",
            },
        }
    ]
    assert image["FileLocation"] == f"{client.who.account_id}/registered"
    assert read_one(client, image["ImageId"]) == image


def test_a_registered_image_is_x86_64_legacy_linux_and_private_unless_it_is_told_otherwise(
    client: Client,
) -> None:
    snapshot = make_snapshot(client.region, client.who, product_codes=())
    silences: list[dict[str, object]] = [{}, {"BootModes": [], "ProductCodes": []}]
    for said in silences:
        image = client("CreateImage", **registering(root(snapshot.snapshot_id), **said))["Image"]
        assert (image["Architecture"], image["BootModes"], image["ProductCodes"]) == (
            "x86_64",
            ["legacy"],
            ["0001"],
        )
        assert (image["TpmMandatory"], image["SecureBoot"], image["Description"]) == (False, False, "")
        assert image["PermissionsToLaunch"] == {"AccountIds": [], "GlobalPermission": False}
        client("DeleteImage", ImageId=image["ImageId"])


def test_boot_modes_are_each_once_and_in_the_order_of_the_specification(client: Client) -> None:
    snapshot_id = make_snapshot(client.region, client.who).snapshot_id
    modes = ["uefi", "legacy", "uefi"]
    image = client("CreateImage", **registering(root(snapshot_id), BootModes=modes))["Image"]
    assert image["BootModes"] == ["legacy", "uefi"]


def test_an_image_of_a_vm_with_a_tpm_does_not_demand_one_unless_it_is_told_to(client: Client) -> None:
    """The default is false, as the specification says."""
    vm = make_vm(client.region, client.who, tpm_enabled=True)
    for name, said, expected in (("plain", {}, False), ("strict", {"TpmMandatory": True}, True)):
        image = client("CreateImage", VmId=vm.vm_id, ImageName=name, NoReboot=True, **said)["Image"]
        assert image["TpmMandatory"] is expected


def test_an_image_that_demands_a_tpm_is_not_launched_without_one(client: Client) -> None:
    image_id = make_image(client.region, client.who, tpm_mandatory=True).image_id
    assert client.refusal("CreateVms", ImageId=image_id, TpmEnabled=False).row == value(4047)
    assert client("CreateVms", ImageId=image_id)["Vms"][0]["TpmEnabled"] is True


@pytest.mark.parametrize("public", [True, False])
def test_a_snapshot_that_is_shared_with_the_caller_may_be_registered(
    client: Client,
    bob: Principal,
    public: bool,  # noqa: FBT001
) -> None:
    granted = Permissions(() if public else (client.who.account_id,), public)
    snapshot = make_snapshot(client.region, bob, permissions=granted)
    image = client("CreateImage", **registering(root(snapshot.snapshot_id)))["Image"]
    assert (image["State"], image["AccountId"]) == ("available", client.who.account_id)
    assert image["BlockDeviceMappings"][0]["Bsu"]["SnapshotId"] == snapshot.snapshot_id


# Names.


@pytest.mark.parametrize("name", ["a-1", "a" * 128, "   ", "azAZ09_ ()/.-"])
def test_a_name_has_3_to_128_of_the_characters_allowed(client: Client, name: str) -> None:
    """Others are refused with 4026: test_image_refusals.py."""
    snapshot_id = make_snapshot(client.region, client.who).snapshot_id
    image = client("CreateImage", **registering(root(snapshot_id), ImageName=name))["Image"]
    assert image["ImageName"] == name


def test_a_name_is_unique_in_its_account_only(client: Client, other: Client) -> None:
    """A public image of another account keeps nobody from its name."""
    make_image(client.region, other.who, "taken", permissions=Permissions(public=True))
    snapshot_id = make_snapshot(client.region, client.who).snapshot_id
    request = registering(root(snapshot_id), ImageName="taken")
    assert client("CreateImage", **request)["Image"]["ImageName"] == "taken"
    refusal = client.refusal("CreateImage", **request)
    assert refusal.row == conflict(9015)
    assert "taken" in refusal.details


def test_a_copy_is_private_and_the_callers(client: Client, other: Client) -> None:
    source = make_image(client.region, client.who, description="d", permissions=Permissions(public=True))
    image = other("CreateImage", SourceImageId=source.image_id, SourceRegionName=HERE)["Image"]
    assert image["AccountId"] == other.who.account_id
    assert image["ImageName"] == "image-copy1"
    assert image["FileLocation"] == f"{other.who.account_id}/image-copy1"
    assert image["Description"] == "d"
    assert image["PermissionsToLaunch"] == {"AccountIds": [], "GlobalPermission": False}
    assert image["ImageId"] != source.image_id
    (mapping,) = image["BlockDeviceMappings"]
    assert mapping["Bsu"]["SnapshotId"] != source.mappings[0].snapshot_id


def test_the_alias_is_shown_for_an_owner_who_has_one(region: Region, client: Client) -> None:
    vendor = make_account(region, "outscale", alias="Outscale")
    image = make_image(region, vendor, permissions=Permissions(public=True))
    assert read_one(client, image.image_id)["AccountAlias"] == "Outscale"
    own = make_image(region, client.who)
    assert "AccountAlias" not in read_one(client, own.image_id)


def test_official_images_are_found_by_their_alias(region: Region, client: Client) -> None:
    """Packer gives the owner's ids as null beside the alias."""
    official = make_image(
        region, make_account(region, "outscale", alias="Outscale"), permissions=Permissions(public=True)
    )
    make_image(region, client.who)
    filters = {"AccountAliases": ["Outscale"], "AccountIds": None}
    (found,) = client("ReadImages", Filters=filters)["Images"]
    assert found["ImageId"] == official.image_id


def test_a_failed_image_says_why(client: Client) -> None:
    image = make_image(
        client.region, client.who, state=ImageState.FAILED, state_message="no space", mappings=()
    )
    shown = read_one(client, image.image_id)
    assert (shown["State"], shown["StateComment"]) == ("failed", {"StateMessage": "no space"})


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
    """Signs that are special in patterns stand for themselves where there are no wildcards."""
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


# What an image carries of its VM.


def test_what_a_vm_took_from_its_image_can_be_changed_on_the_vm(client: Client) -> None:
    """The answers have no field for it, so it is seen on the VMs only."""
    vm = make_vm(client.region, client.who, deletion_protection=True, shutdown_behavior="restart")
    image_id = client("CreateImage", VmId=vm.vm_id, ImageName="golden", NoReboot=True)["Image"]["ImageId"]
    with client.region.store.begin() as connection:
        images.set_state(connection, image_id, ImageState.AVAILABLE)
    (launched,) = client("CreateVms", ImageId=image_id)["Vms"]
    assert (launched["DeletionProtection"], launched["VmInitiatedShutdownBehavior"]) == (True, "restart")
    ids = {"VmIds": [launched["VmId"]]}
    assert client.refusal("DeleteVms", **ids).row == unsupported(8018)
    change = {"DeletionProtection": False, "VmInitiatedShutdownBehavior": "stop"}
    changed = client("UpdateVm", VmId=launched["VmId"], **change)["Vm"]
    assert change.items() <= changed.items()
    assert client("DeleteVms", **ids)["Vms"][0]["CurrentState"] == "shutting-down"


def test_a_flag_in_the_vm_type_wins_over_the_performance_that_the_image_carries(client: Client) -> None:
    image = make_image(client.region, client.who, vm_attributes=VmAttributes(performance="highest"))
    for vm_type, expected in (("tinav5.c1r1", "highest"), ("tinav5.c1r1p3", "medium")):
        (vm,) = client("CreateVms", ImageId=image.image_id, VmType=vm_type)["Vms"]
        assert vm["Performance"] == expected


def test_ephemeral_mappings_are_accepted_and_dropped(client: Client) -> None:
    snapshot_id = make_snapshot(client.region, client.who).snapshot_id
    image = client("CreateImage", **registering(root(snapshot_id), EPHEMERAL))["Image"]
    assert [mapping["DeviceName"] for mapping in image["BlockDeviceMappings"]] == ["/dev/sda1"]


def test_a_data_mapping_may_have_a_size_only(client: Client) -> None:
    snapshot_id = make_snapshot(client.region, client.who).snapshot_id
    data = {
        "DeviceName": "/dev/sdcz",
        "Bsu": {"VolumeSize": 5, "VolumeType": "gp2", "DeleteOnVmDeletion": False},
    }
    image = client("CreateImage", **registering(root(snapshot_id), data))["Image"]
    assert image["BlockDeviceMappings"][1] == data
    assert read_image(client.region, image["ImageId"]).mappings[1] == ImageMapping(
        "/dev/sdcz", None, 5, "gp2", None, delete_on_vm_deletion=False
    )


def test_of_an_image_of_another_account_only_sources_that_the_caller_may_launch_are_told(
    client: Client, other: Client
) -> None:
    hidden = make_image(client.region, client.who, name="hidden")
    public = make_image(client.region, client.who, name="public", permissions=Permissions(public=True))
    for source, shown in ((hidden, None), (public, public.image_id)):
        image = make_image(
            client.region,
            client.who,
            name=f"of {source.name}",
            permissions=Permissions(public=True),
            source_vm_id="i-12345678",
            source_image_id=source.image_id,
            lineage=Lineage("eu-test-1", source.image_id, "2026-01-01", source.image_id, "i-12345678"),
        )
        asked = {"ImageIds": [image.image_id]}
        [told] = cast("Any", read_image_origins(call(other.region, other.who, **asked)))["ImageOrigins"]
        assert (told["SourceVmId"], told["SourceImageId"]) == (None, shown)
        lineage = told["Lineage"]
        assert (lineage["ImageId"], lineage["SourceImageId"], lineage["SourceVmId"]) == (shown, shown, None)
        [own] = cast("Any", read_image_origins(call(client.region, client.who, **asked)))["ImageOrigins"]
        assert (own["SourceVmId"], own["SourceImageId"]) == ("i-12345678", source.image_id)


def test_where_an_image_comes_from_is_told_by_souches_own_action(client: Client) -> None:
    image = make_image(client.region, client.who, source_vm_id="i-12345678", guest_pause_seconds=0.0024)
    origins = read_image_origins(call(client.region, client.who, ImageIds=[image.image_id]))
    assert origins == {
        "ImageOrigins": [
            {
                "ImageId": image.image_id,
                "Source": "own",
                "Publisher": {
                    "AccountId": client.who.account_id,
                    "AccountAlias": None,
                    "Vendor": None,
                },
                "SourceVmId": "i-12345678",
                "SourceImageId": None,
                "Ancestors": [],
                "Lineage": None,
                "Export": None,
                "SignedBy": None,
                "Consistency": {"State": None, "OneInstant": None, "GuestPauseMilliseconds": 2.4},
                "GuestPauseMilliseconds": 2.4,
                "VmAttributes": {
                    "DeletionProtection": None,
                    "ShutdownBehavior": None,
                    "Performance": None,
                    "BootMode": None,
                },
            }
        ]
    }
