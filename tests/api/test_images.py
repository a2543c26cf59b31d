"""Images on the wire: the modes of CreateImage, and what each answers."""

from typing import Any, cast

import pytest

from souche.api.image_origins import read_image_origins
from souche.app.context.region import Region
from souche.db import images
from souche.model.accounts import Principal
from souche.model.images import ImageMapping, Lineage, VmAttributes
from souche.model.permissions import Permissions
from souche.states import ImageState, SnapshotState
from tests.api.image_requests import EPHEMERAL, read_one, registering, root
from tests.support.client import Client, conflict, unsupported, value
from tests.support.region import call, make_account
from tests.support.resources import (
    attach,
    make_image,
    make_snapshot,
    make_vm,
    read_image,
    read_snapshot,
)

HERE = "eu-test-1"


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
    """A public image of another account does not reserve its name."""
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
