"""Images on the wire: the modes of CreateImage, what each answers, and how every mistake is refused."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from souche.api.images import read_image_origins
from souche.app.region import Region
from souche.model.accounts import Principal
from souche.model.images import ImageMapping
from souche.model.permissions import Permissions
from souche.states import ImageState, SnapshotState, VmState
from tests.support.client import (
    Client,
    absent,
    conflict,
    denied,
    missing,
    parameter,
    state,
    unsupported,
    value,
)
from tests.support.region import call, make_account, make_region
from tests.support.requests import filled
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


def root(snapshot_id: str, **bsu: object) -> dict[str, object]:
    return {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": snapshot_id, **bsu}}


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
    assert [read_snapshot(client.region, each).state for each in snapshot_ids] == [SnapshotState.PENDING] * 2


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
    assert read_one(client, image["ImageId"]) == image


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
    vendor = make_account(region, "vendor", alias="Outscale")
    image = make_image(region, vendor, permissions=Permissions(public=True))
    assert read_one(client, image.image_id)["AccountAlias"] == "Outscale"


def test_a_failed_image_says_why(client: Client) -> None:
    image = make_image(
        client.region, client.who, state=ImageState.FAILED, state_message="no space", mappings=()
    )
    shown = read_one(client, image.image_id)
    assert (shown["State"], shown["StateComment"]) == ("failed", {"StateMessage": "no space"})


# Every mistake, by status, Type and Code (reference section 1, "Image-path outcomes actually observed").


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """What the refusals below name. Nothing that is refused changes anything, so they share it."""
    region = make_region(tmp_path_factory.mktemp("scene"))
    alice, bob = make_account(region, "alice"), make_account(region, "bob")
    snapshot = make_snapshot(region, alice)
    yield {
        "client": Client(region, alice),
        "image": make_image(region, alice).image_id,
        "failed": make_image(region, alice, "failed", state=ImageState.FAILED, mappings=()).image_id,
        "pending": make_image(region, alice, "pending", state=ImageState.PENDING).image_id,
        "hidden": make_image(region, bob).image_id,
        "shared": make_image(region, bob, "shared", permissions=Permissions((alice.account_id,))).image_id,
        "public": make_image(region, bob, "public", permissions=Permissions(public=True)).image_id,
        "snapshot": snapshot.snapshot_id,
        "unmade": make_snapshot(region, alice, state=SnapshotState.PENDING).snapshot_id,
        "broken": make_snapshot(region, alice, state=SnapshotState.ERROR).snapshot_id,
        "hidden_snapshot": make_snapshot(region, bob).snapshot_id,
        "vm": make_vm(region, alice).vm_id,
        "pending_vm": make_vm(region, alice, VmState.PENDING).vm_id,
        "stopping_vm": make_vm(region, alice, VmState.STOPPING).vm_id,
        "rootless_vm": make_vm(region, alice, VmState.STOPPED, devices=("/dev/xvdb",)).vm_id,
        "dead_vm": make_vm(region, alice, VmState.TERMINATED, devices=()).vm_id,
        "hidden_vm": make_vm(region, bob).vm_id,
        "someone": bob.account_id,
    }
    region.store.close()


ROOT_MAPPING = root("<snapshot>")
REGISTER = {"ImageName": "new", "RootDeviceName": "/dev/sda1", "BlockDeviceMappings": [ROOT_MAPPING]}
COPY = {"SourceImageId": "<image>", "SourceRegionName": HERE}
FROM_VM = {"VmId": "<vm>", "ImageName": "new"}
EPHEMERAL = {"DeviceName": "/dev/xvdb", "VirtualDeviceName": "ephemeral0"}


def registering(*mappings: object, **changes: object) -> dict[str, object]:
    return {**REGISTER, "BlockDeviceMappings": list(mappings), **changes}


def with_data(**bsu: object) -> dict[str, object]:
    return registering(ROOT_MAPPING, {"DeviceName": "/dev/xvdb", "Bsu": bsu})


CREATE_REFUSALS: list[tuple[dict[str, Any], tuple[int, str, str]]] = [
    # No mode, half a mode.
    ({}, missing(7007)),
    ({"ImageName": "new"}, missing(7007)),
    ({"SourceRegionName": HERE}, missing(7007)),
    ({"ImageName": "new", "RootDeviceName": "/dev/sda1"}, missing(7007)),
    ({"VmId": "<vm>"}, parameter(3002)),
    ({"SourceImageId": "<image>"}, missing(7007)),
    ({"BlockDeviceMappings": [ROOT_MAPPING], "ImageName": "new"}, missing(7007)),
    ({"BlockDeviceMappings": [ROOT_MAPPING], "RootDeviceName": "/dev/sda1"}, missing(7007)),
    # Two modes.
    ({**FROM_VM, "SourceImageId": "<image>"}, parameter(3002)),
    ({**FROM_VM, "SourceRegionName": HERE}, parameter(3002)),
    ({**FROM_VM, "BlockDeviceMappings": [ROOT_MAPPING]}, parameter(3002)),
    ({**FROM_VM, "Architecture": "x86_64"}, parameter(3002)),
    ({**FROM_VM, "RootDeviceName": "/dev/sda1"}, parameter(3002)),
    ({**FROM_VM, "FileLocation": "http://example.org/m"}, parameter(3002)),
    ({**COPY, "RootDeviceName": "/dev/sda1"}, parameter(3002)),
    ({**COPY, "NoReboot": True}, parameter(3002)),
    ({**COPY, "BlockDeviceMappings": [ROOT_MAPPING]}, parameter(3002)),
    ({"FileLocation": "http://example.org/m", "NoReboot": True}, parameter(3002)),
    ({"FileLocation": "http://example.org/m", "Architecture": "x86_64"}, parameter(3002)),
    ({"FileLocation": "http://example.org/m", "RootDeviceName": "/dev/sda1"}, parameter(3002)),
    ({"FileLocation": "http://example.org/m", "SourceRegionName": HERE}, parameter(3002)),
    ({**REGISTER, "SourceRegionName": HERE}, parameter(3002)),
    # Shape.
    ({**FROM_VM, "Unknown": 1}, parameter(3001)),
    ({**FROM_VM, "NoReboot": "true"}, value(4110)),
    ({**FROM_VM, "ImageName": ["new"]}, value(4110)),
    # Ids.
    ({**FROM_VM, "VmId": "tata"}, value(4104)),
    ({**FROM_VM, "VmId": "vpc-12345678"}, value(4104)),
    ({**FROM_VM, "VmId": "i-123456"}, value(4105)),
    ({**FROM_VM, "VmId": "i-1234567G"}, value(4105)),
    ({**FROM_VM, "VmId": "i-00000000"}, absent(5063)),
    ({**FROM_VM, "VmId": "<hidden_vm>"}, absent(5063)),
    ({**COPY, "SourceImageId": "tata"}, value(4104)),
    ({**COPY, "SourceImageId": "ami-123456"}, value(4105)),
    ({**COPY, "SourceImageId": "ami-00000000"}, absent(5023)),
    ({**COPY, "SourceImageId": "<hidden>"}, absent(5023)),
    (registering(root("snap-123456")), value(4105)),
    (registering(root("snap-00000000")), absent(5054)),
    (registering(root("<hidden_snapshot>")), absent(5054)),
    # States.
    ({**FROM_VM, "VmId": "<pending_vm>"}, state(6003)),
    ({**FROM_VM, "VmId": "<stopping_vm>"}, state(6003)),
    ({**FROM_VM, "VmId": "<dead_vm>"}, state(6003)),
    ({**FROM_VM, "VmId": "<rootless_vm>"}, state(6003)),
    ({**COPY, "SourceImageId": "<pending>"}, state(6001)),
    ({**COPY, "SourceImageId": "<failed>"}, state(6001)),
    (registering(root("<unmade>")), state(6003)),
    (registering(root("<broken>")), state(6003)),
    # Regions.
    ({**COPY, "SourceRegionName": "us-east-2"}, unsupported(8019)),
    # Names and texts.
    ({**FROM_VM, "ImageName": "image"}, conflict(9015)),
    ({**COPY, "ImageName": "image"}, conflict(9015)),
    ({**REGISTER, "ImageName": "image"}, conflict(9015)),
    ({**FROM_VM, "ImageName": "ab"}, value(4026)),
    ({**FROM_VM, "ImageName": "a" * 129}, value(4026)),
    ({**FROM_VM, "ImageName": "a@b"}, value(4026)),
    ({**FROM_VM, "ImageName": "new\n"}, value(4026)),
    ({**FROM_VM, "ImageName": ""}, value(4026)),
    ({**COPY, "ImageName": ""}, value(4026)),
    ({**FROM_VM, "Description": "d" * 256}, value(4106)),
    ({**COPY, "Description": "d" * 256}, value(4106)),
    ({**REGISTER, "Description": "d" * 256}, value(4106)),
    ({**REGISTER, "Architecture": "arm64"}, value(4047)),
    ({**REGISTER, "BootModes": ["floppy"]}, value(4047)),
    ({**FROM_VM, "ProductCodes": ["0001", "9999"]}, value(4047)),
    ({**COPY, "ProductCodes": ["9999"]}, value(4047)),
    ({**REGISTER, "ProductCodes": [""]}, value(4047)),
    # Block device mappings (reference sections 1 and 5).
    ({**REGISTER, "BlockDeviceMappings": []}, missing(7003)),
    (registering({"DeviceName": "/dev/sda1", "Bsu": {"VolumeSize": 10}}), missing(7003)),
    (registering({"DeviceName": "/dev/sda1", "VirtualDeviceName": "ephemeral0"}), missing(7003)),
    (registering({"DeviceName": "/dev/sda1"}), missing(7003)),
    (registering({"DeviceName": "/dev/xvdb", "Bsu": {"SnapshotId": "<snapshot>"}}), missing(7003)),
    (registering({**ROOT_MAPPING, "VirtualDeviceName": "ephemeral0"}), value(4076)),
    (registering(ROOT_MAPPING, {**EPHEMERAL, "VirtualDeviceName": "disk0"}), value(4076)),
    (registering(ROOT_MAPPING, {**EPHEMERAL, "Bsu": {"VolumeSize": 1}}), value(4076)),
    (registering(root("<snapshot>", Iops=1000)), value(4045)),
    (registering(root("<snapshot>", Iops=1000, VolumeType="gp2")), value(4045)),
    (registering(root("<snapshot>", VolumeSize=9)), value(4125)),
    (registering(root("<snapshot>", VolumeSize=0)), value(4078)),
    (registering(root("<snapshot>", VolumeSize=14_902)), value(4078)),
    (registering(root("<snapshot>", VolumeSize=-(2**63))), value(4078)),
    (registering(root("<snapshot>", VolumeType="")), value(4047)),
    (registering(root("<snapshot>", VolumeType="ssd")), value(4047)),
    (registering(root("<snapshot>", VolumeType="io1")), missing(7007)),
    (registering(root("<snapshot>", VolumeType="io1", Iops=99)), value(4029)),
    (registering(root("<snapshot>", VolumeType="io1", Iops=-1)), value(4029)),
    (registering(root("<snapshot>", VolumeType="io1", Iops=13_001)), value(4029)),
    (registering(root("<snapshot>", VolumeType="io1", Iops=3001)), value(4047)),
    (with_data(VolumeSize=3, VolumeType="io1", Iops=100), value(4078)),
    (with_data(), missing(7007)),
    (registering(ROOT_MAPPING, {"Bsu": {"VolumeSize": 1}}), missing(7007)),
    (registering(ROOT_MAPPING, ROOT_MAPPING), conflict(9014)),
    (registering(ROOT_MAPPING, EPHEMERAL, {**EPHEMERAL, "DeviceName": "/dev/sdb"}), conflict(9014)),
    ({**REGISTER, "RootDeviceName": "sda1"}, value(4019)),
    ({**REGISTER, "RootDeviceName": "/dev/xvda"}, value(4019)),
    (registering({**ROOT_MAPPING, "DeviceName": "/dev/xvdb"}, RootDeviceName="/dev/xvdb"), value(4047)),
    *[
        (registering(ROOT_MAPPING, {"DeviceName": name, "Bsu": {"VolumeSize": 1}}), value(4019))
        for name in ("", "xvdb", "/dev/sda", "/dev/sda2", "/dev/xvda", "/dev/sdb1", "/dev/sdbcd", "/dev/vdb")
    ],
    (
        registering(
            ROOT_MAPPING,
            *[{"DeviceName": f"/dev/xvdb{letter}", "Bsu": {"VolumeSize": 1}} for letter in "abcdefghijklmnopqrst"],
            *[{"DeviceName": f"/dev/xvdc{letter}", "Bsu": {"VolumeSize": 1}} for letter in "abcdefghijklmnopqrst"],
        ),
        value(4047),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "expected"), CREATE_REFUSALS)
def test_create_image_refuses(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    refusal = scene["client"].refusal("CreateImage", **filled(request_, scene))
    assert refusal.row == expected
    assert refusal.details


def add(**permissions: object) -> dict[str, object]:
    return {"PermissionsToLaunch": {"Additions": permissions}}


UPDATE_REFUSALS: list[tuple[dict[str, Any], tuple[int, str, str]]] = [
    ({}, missing(7007)),
    ({"ImageId": "<image>"}, missing(7007)),
    ({"ImageId": "<image>", "PermissionsToLaunch": {}}, missing(7007)),
    ({"ImageId": "<image>", **add()}, missing(7007)),
    ({"ImageId": "<image>", **add(AccountIds=[])}, missing(7007)),
    ({"ImageId": "<image>", **add(GlobalPermission=False)}, missing(7007)),
    ({"ImageId": "<image>", "PermissionsToLaunch": {"Additions": {}, "Removals": {}}}, parameter(3002)),
    ({"ImageId": "<image>", **add(AccountIds=["12345678901"])}, value(4105)),
    ({"ImageId": "<image>", **add(AccountIds=["1234567890ab"])}, value(4105)),
    ({"ImageId": "<image>", **add(AccountIds=["<someone>", "Outscale"])}, value(4105)),
    ({"ImageId": "<image>", **add(AccountIds=["123456789012"] * 1001)}, value(4047)),
    ({"ImageId": "<image>", **add(GlobalPermission="true")}, value(4110)),
    ({"ImageId": "<image>", "ImageName": "other"}, parameter(3001)),
    ({"ImageId": "<image>", "Description": "d" * 256}, value(4106)),
    ({"ImageId": "<image>", "ProductCodes": ["9999"]}, value(4047)),
    ({"ImageId": "tata", "Description": ""}, value(4104)),
    ({"ImageId": "ami-123456", "Description": ""}, value(4105)),
    ({"ImageId": "ami-00000000", "Description": ""}, absent(5023)),
    ({"ImageId": "<hidden>", "Description": ""}, absent(5023)),
    ({"ImageId": "<shared>", "Description": ""}, absent(5023)),
    ({"ImageId": "<public>", "Description": ""}, absent(5023)),
]


@pytest.mark.parametrize(("request_", "expected"), UPDATE_REFUSALS)
def test_update_image_refuses(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert scene["client"].refusal("UpdateImage", **filled(request_, scene)).row == expected


@pytest.mark.parametrize(
    ("image_id", "expected"),
    [
        ("tata", value(4104)),
        ("ami-123456", value(4105)),
        ("ami-00000000", absent(5023)),
        ("<hidden>", absent(5023)),
        ("<shared>", denied(5)),
        ("<public>", denied(5)),
    ],
)
def test_delete_image_refuses(
    scene: Mapping[str, Any], image_id: str, expected: tuple[int, str, str]
) -> None:
    assert scene["client"].refusal("DeleteImage", ImageId=filled(image_id, scene)).row == expected


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


def test_the_owner_may_share_with_itself(client: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    client("UpdateImage", ImageId=image_id, **add(AccountIds=[client.who.account_id]))
    assert permissions_of(client, image_id)["AccountIds"] == [client.who.account_id]


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


def test_deleting_a_shared_image_ends_the_sharing_and_frees_the_name(client: Client, other: Client) -> None:
    image = make_image(client.region, client.who, permissions=Permissions((other.who.account_id,)))
    client("DeleteImage", ImageId=image.image_id)
    assert other("ReadImages") == {"Images": []}
    make_image(client.region, client.who, image.name)


# ReadImages.


def test_the_default_scope_is_own_shared_and_public(region: Region, client: Client, bob: Principal) -> None:
    own = make_image(region, client.who)
    shared = make_image(region, bob, "shared", permissions=Permissions((client.who.account_id,)))
    public = make_image(region, bob, "public", permissions=Permissions(public=True))
    make_image(region, bob, "private")
    wanted = {own.image_id, shared.image_id, public.image_id}
    assert {image["ImageId"] for image in client("ReadImages")["Images"]} == wanted
    of_bob = client("ReadImages", Filters={"AccountIds": [bob.account_id]})["Images"]
    assert {image["ImageId"] for image in of_bob} == {shared.image_id, public.image_id}


@pytest.mark.parametrize("image_id", ["ami-00000000", "tata", "", "<hidden>"])
def test_ids_that_are_unknown_hidden_or_malformed_give_an_empty_list(
    scene: Mapping[str, Any], image_id: str
) -> None:
    wanted = {"ImageIds": [filled(image_id, scene)]}
    assert scene["client"]("ReadImages", Filters=wanted) == {"Images": []}


@pytest.mark.parametrize("action", ["ReadImages", "ReadSnapshots", "ReadVolumes", "ReadVms", "ReadVmsState"])
@pytest.mark.parametrize(("size", "expected"), [(0, value(4047)), (1001, value(4047)), ("1", value(4110))])
def test_results_per_page_are_1_to_1000(
    scene: Mapping[str, Any], action: str, size: object, expected: tuple[int, str, str]
) -> None:
    assert scene["client"].refusal(action, ResultsPerPage=size).row == expected


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


def test_where_an_image_comes_from_is_told_by_souches_own_action(client: Client) -> None:
    image = make_image(client.region, client.who, source_vm_id="i-12345678", guest_pause_seconds=0.0024)
    origins = read_image_origins(call(client.region, client.who, ImageIds=[image.image_id]))
    assert origins == {
        "ImageOrigins": [
            {
                "ImageId": image.image_id,
                "SourceVmId": "i-12345678",
                "SourceImageId": None,
                "Lineage": None,
                "GuestPauseMilliseconds": 2.4,
            }
        ]
    }
