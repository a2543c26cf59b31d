"""VMs on the wire (reference section 6)."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from souche.model.accounts import Principal
from souche.model.images import ImageMapping, VmAttributes
from souche.model.permissions import Permissions
from souche.states import ImageState, VmState
from tests.support.client import Client, absent, conflict, missing, parameter, state, unsupported, value
from tests.support.region import make_account, make_region
from tests.support.requests import filled
from tests.support.resources import (
    attach,
    make_image,
    make_keypair,
    make_snapshot,
    make_vm,
    make_volume,
    read_vm,
)


def launch(client: Client, image_id: str, **request: object) -> list[dict[str, Any]]:
    launched: list[dict[str, Any]] = client("CreateVms", ImageId=image_id, **request)["Vms"]
    return launched


def test_a_launch_with_the_image_alone(client: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    (vm,) = launch(client, image_id)
    assert vm == {
        "ActionsOnNextBoot": {"SecureBoot": "none"},
        "Architecture": "x86_64",
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/sda1",
                "Bsu": {
                    "DeleteOnVmDeletion": True,
                    "LinkDate": "2026-11-24T10:00:00.000Z",
                    "State": "attaching",
                    "VolumeId": vm["BlockDeviceMappings"][0]["Bsu"]["VolumeId"],
                },
            }
        ],
        "BootMode": "legacy",
        "BsuOptimized": False,
        "CreationDate": "2026-11-24T10:00:00.000Z",
        "DeletionProtection": False,
        "Hypervisor": "xen",
        "ImageId": image_id,
        "IsSourceDestChecked": True,
        "LaunchNumber": 0,
        "NestedVirtualization": False,
        "Performance": "medium",
        "Placement": {"SubregionName": "eu-test-1a", "Tenancy": "default"},
        "PrivateDnsName": "ip-10-77-0-16.eu-test-1.compute.internal",
        "PrivateIp": "10.77.0.16",
        "ProductCodes": ["0001"],
        "PublicDnsName": "10.77.0.16",
        "PublicIp": "10.77.0.16",
        "ReservationId": vm["ReservationId"],
        "RootDeviceName": "/dev/sda1",
        "RootDeviceType": "ebs",
        "SecurityGroups": [
            {
                "SecurityGroupId": vm["SecurityGroups"][0]["SecurityGroupId"],
                "SecurityGroupName": "default",
            }
        ],
        "ShutdownBehaviorConfiguration": {"GuestAction": "stop", "HostAction": "restart"},
        "State": "pending",
        "StateReason": "",
        "Tags": [],
        "TpmEnabled": False,
        "UserData": "",
        "VmId": vm["VmId"],
        "VmInitiatedShutdownBehavior": "stop",
        "VmType": "t2.small",
    }
    assert client("ReadVms")["Vms"] == [vm]


def test_a_launch_of_several(client: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    launched = launch(client, image_id, MinVmsCount=2, MaxVmsCount=3)
    assert [vm["LaunchNumber"] for vm in launched] == [0, 1, 2]
    assert len({vm["VmId"] for vm in launched}) == 3
    assert len({vm["PrivateIp"] for vm in launched}) == 3
    assert len({vm["ReservationId"] for vm in launched}) == 1
    assert len(launch(client, image_id, MinVmsCount=2)) == 2


def test_what_a_launch_says_is_shown(client: Client) -> None:
    image_id = make_image(client.region, client.who, boot_modes=("uefi", "legacy")).image_id
    keypair = make_keypair(client.region, client.who)
    wanted = {
        "BootMode": "uefi",
        "ClientToken": "t",
        "DeletionProtection": True,
        "KeypairName": keypair.name,
        "NestedVirtualization": True,
        "Performance": "highest",
        "UserData": "aGVsbG8=",
        "VmType": "tinav5.c2r4",
        "VmInitiatedShutdownBehavior": "restart",
    }
    placement = {"SubregionName": "eu-test-1a", "Tenancy": "default"}
    (vm,) = launch(client, image_id, Placement=placement, BsuOptimized=False, Nics=[], **wanted)
    assert wanted.items() <= vm.items()


@pytest.mark.parametrize(
    ("vm_type", "asked", "performance"),
    [
        ("t2.small", None, "medium"),
        ("m4.large", None, "high"),
        ("tinav5.c1r1", None, "high"),
        ("tinav5.c1r1", "medium", "medium"),
        ("tinav5.c1r1p1", "medium", "highest"),
        ("tinav5.c1r1p3", None, "medium"),
    ],
)
def test_a_flag_in_the_type_wins_over_the_performance_asked_for(
    client: Client, vm_type: str, asked: str | None, performance: str
) -> None:
    image_id = make_image(client.region, client.who).image_id
    extra = {} if asked is None else {"Performance": asked}
    (vm,) = launch(client, image_id, VmType=vm_type, **extra)
    assert (vm["VmType"], vm["Performance"]) == (vm_type, performance)


def test_the_guest_action_is_the_new_name_of_the_shutdown_behavior(client: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    configuration = {"GuestAction": "terminate", "HostAction": "stop"}
    (vm,) = launch(client, image_id, ShutdownBehaviorConfiguration=configuration)
    assert vm["ShutdownBehaviorConfiguration"] == configuration
    assert vm["VmInitiatedShutdownBehavior"] == "terminate"


def test_empty_texts_of_clients_mean_absent(client: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    placement = {"SubregionName": "", "Tenancy": ""}
    (vm,) = launch(
        client, image_id, SubnetId="", KeypairName="", UserData="", Placement=placement, SecurityGroupIds=[]
    )
    assert "KeypairName" not in vm


def test_user_data_may_be_folded_and_come_back_in_one_line(client: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    data = bytes(range(256)) * 2000
    (vm,) = launch(client, image_id, UserData=base64.encodebytes(data).decode())
    assert vm["UserData"] == base64.b64encode(data).decode()


def test_what_an_image_carries_is_taken_unless_the_launch_says_otherwise(client: Client) -> None:
    carried = VmAttributes(
        deletion_protection=True, shutdown_behavior="restart", performance="highest", boot_mode="uefi"
    )
    image = make_image(client.region, client.who, boot_modes=("uefi", "legacy"), vm_attributes=carried)
    (vm,) = launch(client, image.image_id, VmType="tinav5.c1r1")
    assert {name: vm[name] for name in ("DeletionProtection", "BootMode", "Performance")} == {
        "DeletionProtection": True,
        "BootMode": "uefi",
        "Performance": "highest",
    }
    assert vm["VmInitiatedShutdownBehavior"] == "restart"
    (vm,) = launch(
        client,
        image.image_id,
        VmType="tinav5.c1r1",
        DeletionProtection=False,
        VmInitiatedShutdownBehavior="stop",
        Performance="medium",
        BootMode="legacy",
    )
    assert (vm["DeletionProtection"], vm["BootMode"], vm["Performance"]) == (False, "legacy", "medium")
    assert vm["VmInitiatedShutdownBehavior"] == "stop"


def test_a_grantee_launches_though_the_snapshots_are_not_shared(client: Client, bob: Principal) -> None:
    image = make_image(client.region, bob, permissions=Permissions((client.who.account_id,)))
    (vm,) = launch(client, image.image_id)
    (volume,) = client("ReadVolumes")["Volumes"]
    assert volume["SnapshotId"] == image.mappings[0].snapshot_id
    assert volume["LinkedVolumes"][0]["VmId"] == vm["VmId"]


def test_a_terminated_vm_has_no_address(client: Client) -> None:
    make_vm(client.region, client.who, VmState.TERMINATED, devices=(), state_reason="Client.UserInitiated")
    (vm,) = client("ReadVms")["Vms"]
    assert (vm["State"], vm["StateReason"]) == ("terminated", "Client.UserInitiated")
    assert vm["BlockDeviceMappings"] == []
    assert not {"PrivateIp", "PublicIp"} & vm.keys()


# Every mistake.


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """What the refusals below name. Nothing that is refused changes anything, so they share it."""
    region = make_region(tmp_path_factory.mktemp("scene"))
    alice, bob = make_account(region, "alice"), make_account(region, "bob")
    snapshot = make_snapshot(region, alice)
    io1 = ImageMapping("/dev/sda1", snapshot.snapshot_id, 10, "io1", 500)
    vm = make_vm(region, alice, devices=("/dev/sda1", "/dev/xvdb"))
    yield {
        "client": Client(region, alice),
        "keypair": make_keypair(region, alice).name,
        "hidden_keypair": make_keypair(region, bob, "bobs").name,
        "image": make_image(region, alice).image_id,
        "io1_image": make_image(region, alice, "io1", mappings=(io1,)).image_id,
        "windows": make_image(region, alice, "windows", product_codes=("0002",)).image_id,
        "tpm": make_image(region, alice, "tpm", tpm_mandatory=True).image_id,
        "pending": make_image(region, alice, "pending", state=ImageState.PENDING).image_id,
        "failed": make_image(region, alice, "failed", state=ImageState.FAILED, mappings=()).image_id,
        "hidden": make_image(region, bob).image_id,
        "snapshot": snapshot.snapshot_id,
        "hidden_snapshot": make_snapshot(region, bob).snapshot_id,
        "volume": make_volume(region, alice).volume_id,
        "hidden_volume": make_volume(region, bob).volume_id,
        "linked": vm.volumes[1].volume_id,
        "vm": vm.vm_id,
        "stopped_windows": make_vm(region, alice, VmState.STOPPED, product_codes=("0002",)).vm_id,
        "stopped": make_vm(region, alice, VmState.STOPPED).vm_id,
        "rootless": make_vm(region, alice, VmState.STOPPED, devices=()).vm_id,
        "protected": make_vm(region, alice, deletion_protection=True).vm_id,
        **{f"vm_{each.value}": make_vm(region, alice, each, devices=()).vm_id for each in VmState},
        "hidden_vm": make_vm(region, bob).vm_id,
    }
    region.store.close()


def with_mapping(device_name: str, **mapping: object) -> dict[str, object]:
    return {"BlockDeviceMappings": [{"DeviceName": device_name, **mapping}]}


LAUNCH_REFUSALS: list[tuple[dict[str, Any], tuple[int, str, str]]] = [
    ({"ImageId": "tata"}, value(4104)),
    ({"ImageId": "ami-123456"}, value(4105)),
    ({"ImageId": "ami-00000000"}, absent(5023)),
    ({"ImageId": "<hidden>"}, absent(5023)),
    ({"ImageId": "<pending>"}, state(6001)),
    ({"ImageId": "<failed>"}, state(6001)),
    ({"Unknown": 1}, parameter(3001)),
    ({"BootOnCreation": "true"}, value(4110)),
    ({"VmType": "t9.huge"}, absent(5024)),
    ({"VmType": "tina.c1r1"}, absent(5024)),
    ({"VmType": ""}, absent(5024)),
    ({"KeypairName": "nobody"}, absent(5071)),
    ({"KeypairName": "<hidden_keypair>"}, absent(5071)),
    ({"SubnetId": "subnet-12345678"}, absent(5057)),
    ({"Nics": [{"DeviceNumber": 0, "SubnetId": "subnet-12345678"}]}, absent(5057)),
    ({"Nics": [{"DeviceNumber": 0, "NicId": "eni-12345678"}]}, absent(5036)),
    ({"SecurityGroupIds": ["sg-12345678"]}, absent(5022)),
    ({"SecurityGroupIds": ["tata"]}, value(4104)),
    ({"SecurityGroups": ["web"]}, absent(5022)),
    ({"PrivateIps": ["10.0.0.4"]}, value(4047)),
    ({"Placement": {"SubregionName": "eu-west-2a"}}, absent(5009)),
    ({"Placement": {"Tenancy": "dedicated"}}, value(4047)),
    ({"MinVmsCount": 0}, value(4018)),
    ({"MinVmsCount": -1, "MaxVmsCount": 1}, value(4018)),
    ({"MinVmsCount": 2, "MaxVmsCount": 1}, value(4018)),
    ({"MaxVmsCount": 0}, value(4018)),
    ({"MaxVmsCount": 1001}, value(4018)),
    ({"MaxVmsCount": 2**63 - 1}, value(4018)),
    ({"MinVmsCount": 500}, (409, "TooManyResources (QuotaExceded)", "10001")),
    ({"UserData": "?"}, value(4047)),
    ({"UserData": "aGVsbG8"}, value(4047)),
    ({"UserData": "é"}, value(4047)),
    ({"UserData": base64.b64encode(bytes(500 * 1024 + 1)).decode()}, value(4047)),
    ({"VmInitiatedShutdownBehavior": "sleep"}, value(4047)),
    ({"ShutdownBehaviorConfiguration": {"GuestAction": "restart"}}, value(4047)),
    ({"Performance": "low"}, value(4047)),
    ({"BootMode": "uefi"}, value(4047)),
    ({"BootMode": "floppy"}, value(4047)),
    ({"ClientToken": "t" * 65}, value(4106)),
    ({"ImageId": "<tpm>", "TpmEnabled": False}, value(4047)),
    ({"ActionsOnNextBoot": {"SecureBoot": "enable"}}, unsupported(8000)),
    # Windows needs generation v3, 2 vCores and 4 GiB.
    ({"ImageId": "<windows>"}, conflict(9072)),
    ({"ImageId": "<windows>", "VmType": "tinav2.c2r4"}, conflict(9072)),
    ({"ImageId": "<windows>", "VmType": "tinav3.c1r4"}, conflict(9072)),
    ({"ImageId": "<windows>", "VmType": "tinav3.c2r3"}, conflict(9072)),
    # Block device mappings.
    (with_mapping("/dev/sda1", NoDevice=""), value(4047)),
    (with_mapping("/dev/sda1", Bsu={"SnapshotId": "<snapshot>"}), parameter(3002)),
    (with_mapping("/dev/sda1", Bsu={"VolumeSize": 9}), value(4125)),
    (with_mapping("/dev/sda1", Bsu={"VolumeType": "io1"}), missing(7007)),
    (with_mapping("/dev/sda1", Bsu={"Iops": 100}), value(4045)),
    ({"ImageId": "<io1_image>", **with_mapping("/dev/sda1", Bsu={"Iops": 99})}, value(4029)),
    (with_mapping("/dev/xvdb", Bsu={}), missing(7007)),
    (with_mapping("/dev/xvdb"), missing(7007)),
    (with_mapping("/dev/xvdb", Bsu={"SnapshotId": "tata"}), value(4104)),
    (with_mapping("/dev/xvdb", Bsu={"SnapshotId": "snap-00000000"}), absent(5054)),
    (with_mapping("/dev/xvdb", Bsu={"SnapshotId": "<hidden_snapshot>"}), absent(5054)),
    (with_mapping("/dev/xvdb", Bsu={"VolumeSize": 1, "VolumeType": ""}), value(4047)),
    (with_mapping("/dev/xvdb", VirtualDeviceName="disk0"), value(4076)),
    (with_mapping("/dev/xvdb", VirtualDeviceName="ephemeral0", Bsu={"VolumeSize": 1}), value(4076)),
    (with_mapping("/dev/xvda", Bsu={"VolumeSize": 1}), value(4019)),
    ({"BlockDeviceMappings": [{"Bsu": {"VolumeSize": 1}}]}, missing(7007)),
    (
        {
            "BlockDeviceMappings": [
                {"DeviceName": "/dev/xvdb", "Bsu": {"VolumeSize": 1}},
                {"DeviceName": "/dev/sdb", "Bsu": {"VolumeSize": 1}},
            ]
        },
        conflict(9014),
    ),
]


@pytest.mark.parametrize(("changes", "expected"), LAUNCH_REFUSALS)
def test_create_vms_refuses(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    refusal = scene["client"].refusal("CreateVms", **filled({"ImageId": "<image>", **changes}, scene))
    assert refusal.row == expected
    assert refusal.details


@pytest.mark.parametrize(
    ("mandatory", "asked", "enabled"), [(True, None, True), (False, True, True), (False, None, False)]
)
def test_a_vm_has_a_tpm_when_it_is_asked_for_or_the_image_needs_it(
    client: Client,
    mandatory: bool,  # noqa: FBT001
    asked: bool | None,  # noqa: FBT001
    enabled: bool,  # noqa: FBT001
) -> None:
    image_id = make_image(client.region, client.who, tpm_mandatory=mandatory).image_id
    request = {} if asked is None else {"TpmEnabled": asked}
    (vm,) = launch(client, image_id, **request)
    assert vm["TpmEnabled"] is enabled
    assert read_vm(client.region, vm["VmId"]).tpm_enabled is enabled


def test_create_vms_needs_an_image(scene: Mapping[str, Any]) -> None:
    assert scene["client"].refusal("CreateVms").row == missing(7007)


UPDATE_REFUSALS: list[tuple[dict[str, Any], tuple[int, str, str]]] = [
    ({"VmId": "tata"}, value(4104)),
    ({"VmId": "i-00000000"}, absent(5063)),
    ({"VmId": "<hidden_vm>"}, absent(5063)),
    *[
        ({"VmId": f"<vm_{each}>", **change}, state(6003))
        for each in ("pending", "running", "stopping", "shutting-down", "terminated")
        for change in (
            {"VmType": "tinav5.c1r1"},
            {"Performance": "medium"},
            {"UserData": ""},
            {"NestedVirtualization": True},
        )
    ],
    ({"VmId": "<vm_shutting-down>", "DeletionProtection": True}, state(6003)),
    ({"VmId": "<vm_terminated>", "KeypairName": "<keypair>"}, state(6003)),
    ({"VmId": "<stopped>", "VmType": "t9.huge"}, absent(5024)),
    ({"VmId": "<stopped>", "UserData": "?"}, value(4047)),
    ({"VmId": "<stopped>", "KeypairName": "nobody"}, absent(5071)),
    ({"VmId": "<stopped>", "KeypairName": "<hidden_keypair>"}, absent(5071)),
    ({"VmId": "<stopped>", "VmInitiatedShutdownBehavior": "sleep"}, value(4047)),
    ({"VmId": "<stopped>", "SecurityGroupIds": ["sg-12345678"]}, absent(5022)),
    ({"VmId": "<stopped>", "IsSourceDestChecked": False}, unsupported(8000)),
    ({"VmId": "<stopped>", "ActionsOnNextBoot": {"SecureBoot": "setup-mode"}}, unsupported(8000)),
    ({"VmId": "<stopped_windows>", "VmType": "t2.small"}, conflict(9072)),
    *[
        ({"VmId": "<vm>", "BlockDeviceMappings": [mapping]}, expected)
        for mapping, expected in (
            ({"Bsu": {"DeleteOnVmDeletion": True}}, missing(7007)),
            ({"DeviceName": "/dev/xvdc", "Bsu": {"DeleteOnVmDeletion": True}}, value(4047)),
            ({"Bsu": {"DeleteOnVmDeletion": True, "VolumeId": "<volume>"}}, value(4047)),
            ({"Bsu": {"DeleteOnVmDeletion": True, "VolumeId": "tata"}}, value(4104)),
            ({"Bsu": {"DeleteOnVmDeletion": True, "VolumeId": "vol-00000000"}}, absent(5064)),
            ({"Bsu": {"DeleteOnVmDeletion": True, "VolumeId": "<hidden_volume>"}}, absent(5064)),
            (
                {"DeviceName": "/dev/sda1", "Bsu": {"DeleteOnVmDeletion": True, "VolumeId": "<linked>"}},
                value(4047),
            ),
        )
    ],
]


@pytest.mark.parametrize(("request_", "expected"), UPDATE_REFUSALS)
def test_update_vm_refuses(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert scene["client"].refusal("UpdateVm", **filled(request_, scene)).row == expected


TRANSITIONS = ("StartVms", "StopVms", "RebootVms", "DeleteVms")

TRANSITION_REFUSALS: list[tuple[str, str, tuple[int, str, str]]] = [
    *[
        (action, vm_id, expected)
        for action in TRANSITIONS
        for vm_id, expected in (
            ("tata", value(4104)),
            ("i-123456", value(4105)),
            ("i-00000000", absent(5063)),
            ("<hidden_vm>", absent(5063)),
        )
    ],
    ("StartVms", "<vm_stopping>", state(6003)),
    ("StartVms", "<vm_shutting-down>", state(6003)),
    ("StartVms", "<vm_terminated>", state(6003)),
    ("StartVms", "<rootless>", state(6003)),
    ("StopVms", "<vm_pending>", conflict(9039)),
    ("StopVms", "<vm_shutting-down>", state(6003)),
    ("StopVms", "<vm_terminated>", state(6003)),
    *[
        ("RebootVms", f"<vm_{each}>", state(6003))
        for each in ("pending", "stopping", "stopped", "shutting-down", "terminated")
    ],
    ("DeleteVms", "<protected>", unsupported(8018)),
]


@pytest.mark.parametrize(("action", "vm_id", "expected"), TRANSITION_REFUSALS)
def test_transitions_refuse(
    scene: Mapping[str, Any], action: str, vm_id: str, expected: tuple[int, str, str]
) -> None:
    wanted = [scene["vm"] if action != "StartVms" else scene["stopped"], filled(vm_id, scene)]
    assert scene["client"].refusal(action, VmIds=wanted).row == expected
    assert {read_vm(scene["client"].region, scene[name]).generation for name in ("vm", "stopped")} == {0}


@pytest.mark.parametrize("action", TRANSITIONS)
@pytest.mark.parametrize("request_", [{}, {"VmIds": []}])
def test_transitions_need_ids(scene: Mapping[str, Any], action: str, request_: dict[str, Any]) -> None:
    refusal = scene["client"].refusal(action, **request_)
    assert refusal.row == missing(7007)
    assert refusal.details == "The parameter 'VmIds' is required."


@pytest.mark.parametrize("action", ["ReadConsoleOutput", "ReadAdminPassword"])
@pytest.mark.parametrize(
    ("vm_id", "expected"),
    [("tata", value(4104)), ("i-00000000", absent(5063)), ("<hidden_vm>", absent(5063))],
)
def test_reading_from_a_vm_refuses(
    scene: Mapping[str, Any], action: str, vm_id: str, expected: tuple[int, str, str]
) -> None:
    assert scene["client"].refusal(action, VmId=filled(vm_id, scene)).row == expected


# Changes and transitions.


def test_update_vm_shows_the_vm_as_it_is_now(client: Client) -> None:
    vm = make_vm(client.region, client.who, VmState.STOPPED)
    keypair = make_keypair(client.region, client.who)
    wanted = {
        "DeletionProtection": True,
        "KeypairName": keypair.name,
        "NestedVirtualization": True,
        "Performance": "medium",
        "UserData": "aGVsbG8=",
        "VmInitiatedShutdownBehavior": "terminate",
        "VmType": "tinav5.c4r8",
    }
    shown = client("UpdateVm", VmId=vm.vm_id, **wanted)["Vm"]
    assert wanted.items() <= shown.items()
    assert client("ReadVms")["Vms"] == [shown]
    now = read_vm(client.region, vm.vm_id)
    assert (now.vcpus, now.memory_mib, now.public_key) == (4, 8192, keypair.public_key)


def test_an_empty_keypair_name_takes_the_keypair_away(client: Client) -> None:
    vm = make_vm(client.region, client.who, keypair_name="laptop", public_key="ssh-rsa A")
    assert "KeypairName" not in client("UpdateVm", VmId=vm.vm_id, KeypairName="")["Vm"]
    assert read_vm(client.region, vm.vm_id).public_key is None


@pytest.mark.parametrize("by", ["device", "id", "both"])
def test_a_deletion_flag_is_set_by_device_or_by_volume(client: Client, by: str) -> None:
    """Terraform names the device alone."""
    vm = make_vm(client.region, client.who)
    volume = attach(client.region, vm, "/dev/xvdb")
    mapping: dict[str, Any] = {"Bsu": {"DeleteOnVmDeletion": False}}
    if by != "id":
        mapping["DeviceName"] = "/dev/xvdb"
    if by != "device":
        mapping["Bsu"]["VolumeId"] = volume.volume_id
    shown = client("UpdateVm", VmId=vm.vm_id, BlockDeviceMappings=[mapping])["Vm"]["BlockDeviceMappings"]
    assert [each["Bsu"]["DeleteOnVmDeletion"] for each in shown] == [True, False]


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("StartVms", "stopped", "pending"),
        ("StartVms", "running", "running"),
        ("StartVms", "pending", "pending"),
        ("StopVms", "running", "stopping"),
        ("StopVms", "stopping", "stopping"),
        ("StopVms", "stopped", "stopped"),
        ("DeleteVms", "pending", "shutting-down"),
        ("DeleteVms", "running", "shutting-down"),
        ("DeleteVms", "stopping", "shutting-down"),
        ("DeleteVms", "stopped", "shutting-down"),
        ("DeleteVms", "shutting-down", "shutting-down"),
        ("DeleteVms", "terminated", "terminated"),
    ],
)
def test_transitions_tell_the_state_before_and_after(
    client: Client, action: str, before: str, after: str
) -> None:
    vm = make_vm(client.region, client.who, VmState(before))
    answer = client(action, VmIds=[vm.vm_id, vm.vm_id])
    assert answer == {"Vms": [{"VmId": vm.vm_id, "PreviousState": before, "CurrentState": after}]}


def test_reboot_answers_nothing_else(client: Client) -> None:
    vm = make_vm(client.region, client.who)
    assert client("RebootVms", VmIds=[vm.vm_id]) == {}
    assert read_vm(client.region, vm.vm_id).state == VmState.RUNNING


# Reads.


def test_read_vms_state_tells_of_running_vms_or_of_all(client: Client) -> None:
    running = make_vm(client.region, client.who)
    stopped = make_vm(client.region, client.who, VmState.STOPPED)
    assert client("ReadVmsState")["VmStates"] == [
        {
            "MaintenanceEvents": [],
            "SubregionName": "eu-test-1a",
            "VmId": running.vm_id,
            "VmState": "running",
        }
    ]
    every = client("ReadVmsState", AllVms=True)["VmStates"]
    assert {each["VmId"] for each in every} == {running.vm_id, stopped.vm_id}
    assert client("ReadVmsState", Filters={"VmStates": ["stopped"]}) == {"VmStates": []}


def test_read_vms_state_goes_by_pages(client: Client) -> None:
    for _ in range(3):
        make_vm(client.region, client.who)
    first = client("ReadVmsState", ResultsPerPage=2)
    last = client("ReadVmsState", ResultsPerPage=2, NextPageToken=first["NextPageToken"])
    assert len(first["VmStates"]) == 2
    assert len({each["VmId"] for each in first["VmStates"] + last["VmStates"]}) == 3
    assert "NextPageToken" not in last


@pytest.mark.parametrize("at", VmState)
def test_the_console_and_the_password_can_be_read_in_any_state(client: Client, at: VmState) -> None:
    vm = make_vm(client.region, client.who, at)
    assert client("ReadConsoleOutput", VmId=vm.vm_id) == {"VmId": vm.vm_id, "ConsoleOutput": ""}
    assert client("ReadAdminPassword", VmId=vm.vm_id) == {"VmId": vm.vm_id, "AdminPassword": ""}


def test_the_vms_of_another_account_are_not_listed(client: Client, bob: Principal) -> None:
    make_vm(client.region, bob)
    assert client("ReadVms") == {"Vms": []}
    assert client("ReadVmsState", AllVms=True) == {"VmStates": []}
