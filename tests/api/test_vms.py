"""VMs on the wire (reference section 6)."""

import base64
from typing import Any

import pytest

from souche.model.accounts import Principal
from souche.model.images import VmAttributes
from souche.model.permissions import Permissions
from souche.states import VmState
from tests.support.client import Client, conflict
from tests.support.resources import attach, make_image, make_keypair, make_vm, read_vm


def launch(client: Client, image_id: str, **request: object) -> list[dict[str, Any]]:
    launched: list[dict[str, Any]] = client("CreateVms", ImageId=image_id, **request)["Vms"]
    return launched


def test_a_launch_with_the_image_alone_has_the_defaults_of_the_specification(client: Client) -> None:
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
        "IsSourceDestChecked": False,
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
        "ShutdownBehaviorConfiguration": {"GuestAction": "stop", "HostAction": "stop"},
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


def test_a_launch_makes_the_maximum_which_is_the_minimum_when_it_is_absent(client: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    launched = launch(client, image_id, MinVmsCount=2, MaxVmsCount=3)
    assert [vm["LaunchNumber"] for vm in launched] == [0, 1, 2]
    assert len({vm["VmId"] for vm in launched}) == 3
    assert len({vm["PrivateIp"] for vm in launched}) == 3
    assert len({vm["ReservationId"] for vm in launched}) == 1
    assert len(launch(client, image_id, MinVmsCount=2)) == 2


def test_what_a_launch_asks_for_is_shown(client: Client) -> None:
    image_id = make_image(client.region, client.who, boot_modes=("legacy", "uefi")).image_id
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


BEHAVIORS = [
    ({}, ("stop", "stop", "stop")),
    ({"VmInitiatedShutdownBehavior": "stop"}, ("stop", "stop", "stop")),
    ({"VmInitiatedShutdownBehavior": "restart"}, ("restart", "stop", "restart")),
    ({"VmInitiatedShutdownBehavior": "terminate"}, ("terminate", "terminate", "restart")),
    ({"ShutdownBehaviorConfiguration": {"GuestAction": "terminate"}}, ("terminate", "terminate", "restart")),
    ({"ShutdownBehaviorConfiguration": {"HostAction": "restart"}}, ("stop", "stop", "restart")),
    (
        {
            "VmInitiatedShutdownBehavior": "restart",
            "ShutdownBehaviorConfiguration": {"GuestAction": "stop", "HostAction": "restart"},
        },
        ("restart", "stop", "restart"),
    ),
    (
        {
            "VmInitiatedShutdownBehavior": "terminate",
            "ShutdownBehaviorConfiguration": {"HostAction": "stop"},
        },
        ("terminate", "terminate", "stop"),
    ),
]


@pytest.mark.parametrize(("asked", "shown"), BEHAVIORS)
def test_the_host_action_goes_with_the_shutdown_behavior(
    client: Client, asked: dict[str, object], shown: tuple[str, str, str]
) -> None:
    """The last but one is an answer, sent as it was read."""
    image_id = make_image(client.region, client.who).image_id
    (vm,) = launch(client, image_id, **asked)
    assert triple(vm) == shown
    before = make_vm(client.region, client.who)
    changed = client("UpdateVm", VmId=before.vm_id, **asked)["Vm"]
    assert triple(changed) == shown


def test_another_shutdown_behavior_takes_the_host_action_along(client: Client) -> None:
    vm = make_vm(client.region, client.who, host_action="restart")

    def changed(behavior: str) -> tuple[str, str, str]:
        return triple(client("UpdateVm", VmId=vm.vm_id, VmInitiatedShutdownBehavior=behavior)["Vm"])

    assert changed("stop") == ("stop", "stop", "restart")  # no other than before
    assert changed("restart") == ("restart", "stop", "restart")
    assert changed("stop") == ("stop", "stop", "stop")


def triple(vm: dict[str, Any]) -> tuple[str, str, str]:
    configuration = vm["ShutdownBehaviorConfiguration"]
    return vm["VmInitiatedShutdownBehavior"], configuration["GuestAction"], configuration["HostAction"]


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
    image = make_image(client.region, client.who, boot_modes=("legacy", "uefi"), vm_attributes=carried)
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


def test_update_vm_changes_a_stopped_vm_and_answers_it_whole(client: Client) -> None:
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
    shown = client("UpdateVm", VmId=vm.vm_id, BsuOptimized=True, **wanted)["Vm"]
    assert wanted.items() <= shown.items()
    assert shown["BsuOptimized"] is False
    assert client("ReadVms")["Vms"] == [shown]
    now = read_vm(client.region, vm.vm_id)
    assert (now.vcpus, now.memory_mib, now.public_key) == (4, 8192, keypair.public_key)


def test_an_empty_keypair_name_takes_the_keypair_away(client: Client) -> None:
    vm = make_vm(client.region, client.who, keypair_name="laptop", public_key="ssh-rsa A")
    assert "KeypairName" not in client("UpdateVm", VmId=vm.vm_id, KeypairName="")["Vm"]
    assert read_vm(client.region, vm.vm_id).public_key is None


@pytest.mark.parametrize("asked", [False, True])
def test_source_and_destination_are_not_checked_outside_a_net(client: Client, *, asked: bool) -> None:
    """Terraform sends what it has read, or its default."""
    vm = make_vm(client.region, client.who)
    shown = client("UpdateVm", VmId=vm.vm_id, IsSourceDestChecked=asked)["Vm"]
    assert shown["IsSourceDestChecked"] is False
    found = [client("ReadVms", Filters={"IsSourceDestChecked": each})["Vms"] for each in (False, True)]
    assert [len(each) for each in found] == [1, 0]


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


def test_a_token_gives_the_same_vms_again_and_is_refused_for_another_image(client: Client) -> None:
    image_id, other_id = (make_image(client.region, client.who, name).image_id for name in ("one", "other"))
    launched = launch(client, image_id, ClientToken="t", MinVmsCount=2)
    assert launch(client, image_id, ClientToken="t", MinVmsCount=2) == launched
    assert len(client("ReadVms")["Vms"]) == 2
    refusal = client.refusal("CreateVms", ImageId=other_id, ClientToken="t")
    assert refusal.row == conflict(9009)


def test_an_empty_token_is_none(client: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    ids = {launch(client, image_id, ClientToken="")[0]["VmId"] for _ in range(2)}
    assert len(ids) == 2
    assert not any("ClientToken" in vm for vm in client("ReadVms")["Vms"])
