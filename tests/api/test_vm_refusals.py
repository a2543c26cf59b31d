"""How every mistake about VMs is refused: status, Type and Code (reference sections 1 and 6)."""

import base64
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import pytest

from souche.model.images import ImageMapping
from souche.states import ImageState, VmState
from tests.support.client import Client, absent, conflict, missing, parameter, state, unsupported, value
from tests.support.region import make_account, make_region
from tests.support.requests import filled
from tests.support.resources import (
    make_image,
    make_keypair,
    make_snapshot,
    make_vm,
    make_volume,
    read_vm,
)


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


Row: TypeAlias = tuple[int, str, str]

launches = partial(pytest.mark.parametrize, ("changes", "expected"))
updates = partial(pytest.mark.parametrize, ("request_", "expected"))


def _launch_refused(scene: Mapping[str, Any], changes: dict[str, Any], expected: Row) -> None:
    _refused(scene, "CreateVms", {"ImageId": "<image>", **changes}, expected)


def _refused(scene: Mapping[str, Any], action: str, request: dict[str, Any], expected: Row) -> None:
    refusal = scene["client"].refusal(action, **filled(request, scene))
    assert refusal.row == expected
    assert refusal.details


# Launches.


def test_a_launch_needs_an_image(scene: Mapping[str, Any]) -> None:
    _refused(scene, "CreateVms", {}, missing(7007))


@launches(
    [
        ({"ImageId": "tata"}, value(4104)),
        ({"ImageId": "ami-123456"}, value(4105)),
        ({"ImageId": "ami-00000000"}, absent(5023)),
        ({"ImageId": "<hidden>"}, absent(5023)),
    ],
)
def test_an_image_that_is_malformed_unknown_or_hidden_is_not_launched(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        ({"ImageId": "<pending>"}, state(6001)),
        ({"ImageId": "<failed>"}, state(6001)),
    ],
)
def test_an_image_that_is_not_available_is_not_launched(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        ({"Unknown": 1}, parameter(3001)),
        ({"BootOnCreation": "true"}, value(4110)),
    ],
)
def test_an_unknown_parameter_and_one_of_another_type_are_refused(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        ({"VmType": "t9.huge"}, absent(5024)),
        ({"VmType": "tina.c1r1"}, absent(5024)),
        ({"VmType": ""}, absent(5024)),
    ],
)
def test_another_vm_type_is_unknown(scene: Mapping[str, Any], changes: dict[str, Any], expected: Row) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        ({"KeypairName": "nobody"}, absent(5071)),
        ({"KeypairName": "<hidden_keypair>"}, absent(5071)),
    ],
)
def test_a_keypair_that_is_unknown_or_anothers_is_refused(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        ({"SubnetId": "subnet-12345678"}, absent(5057)),
        ({"Nics": [{"DeviceNumber": 0, "SubnetId": "subnet-12345678"}]}, absent(5057)),
        ({"Nics": [{"DeviceNumber": 0, "NicId": "eni-12345678"}]}, absent(5036)),
        ({"PrivateIps": ["10.0.0.4"]}, value(4047)),
    ],
)
def test_nets_are_refused_as_not_existing(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        ({"SecurityGroupIds": ["sg-12345678"]}, absent(5022)),
        ({"SecurityGroupIds": ["tata"]}, value(4104)),
        ({"SecurityGroups": ["web"]}, absent(5022)),
    ],
)
def test_a_security_group_that_is_malformed_or_unknown_is_refused(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        ({"Placement": {"SubregionName": "eu-west-2a"}}, absent(5009)),
        ({"Placement": {"Tenancy": "dedicated"}}, value(4047)),
    ],
)
def test_another_subregion_or_tenancy_is_refused(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        ({"MinVmsCount": 0}, value(4018)),
        ({"MinVmsCount": -1, "MaxVmsCount": 1}, value(4018)),
        ({"MinVmsCount": 2, "MaxVmsCount": 1}, value(4018)),
        ({"MaxVmsCount": 0}, value(4018)),
        ({"MaxVmsCount": 1001}, value(4018)),
        ({"MaxVmsCount": 2**63 - 1}, value(4018)),
    ],
)
def test_the_number_of_vms_is_from_1_to_the_maximum_and_1000_at_the_most(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


def test_more_vms_than_there_are_addresses_are_too_many(scene: Mapping[str, Any]) -> None:
    _launch_refused(scene, {"MinVmsCount": 500}, (409, "TooManyResources (QuotaExceeded)", "10001"))


@launches(
    [
        ({"UserData": "?"}, value(4047)),
        ({"UserData": "aGVsbG8"}, value(4047)),
        ({"UserData": "é"}, value(4047)),
        ({"UserData": base64.b64encode(bytes(500 * 1024 + 1)).decode()}, value(4047)),
    ],
)
def test_user_data_is_base64_of_500_kib_at_the_most(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        ({"VmInitiatedShutdownBehavior": "sleep"}, value(4047)),
        ({"ShutdownBehaviorConfiguration": {"GuestAction": "restart"}}, value(4047)),
        ({"ShutdownBehaviorConfiguration": {"HostAction": "terminate"}}, value(4047)),
    ],
)
def test_another_shutdown_behavior_is_refused(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        ({"Performance": "low"}, value(4047)),
        ({"BootMode": "uefi"}, value(4047)),
        ({"BootMode": "floppy"}, value(4047)),
    ],
)
def test_another_performance_or_boot_mode_is_refused(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    """An image that has legacy only does not boot by uefi."""
    _launch_refused(scene, changes, expected)


def test_a_client_token_has_64_characters_at_the_most(scene: Mapping[str, Any]) -> None:
    _launch_refused(scene, {"ClientToken": "t" * 65}, value(4106))


def test_an_image_that_needs_a_tpm_is_not_launched_without_one(scene: Mapping[str, Any]) -> None:
    _launch_refused(scene, {"ImageId": "<tpm>", "TpmEnabled": False}, value(4047))


@pytest.mark.parametrize("action", ["enable", "setup-mode", "restore-factory-keys"])
def test_a_bios_has_no_secure_boot(scene: Mapping[str, Any], action: str) -> None:
    wanted = {"ActionsOnNextBoot": {"SecureBoot": action}}
    _launch_refused(scene, wanted, value(4047))
    _refused(scene, "UpdateVm", {"VmId": "<stopped>", **wanted}, value(4047))


@launches(
    [
        ({"ImageId": "<windows>"}, conflict(9072)),
        ({"ImageId": "<windows>", "VmType": "tinav2.c2r4"}, conflict(9072)),
        ({"ImageId": "<windows>", "VmType": "tinav3.c1r4"}, conflict(9072)),
        ({"ImageId": "<windows>", "VmType": "tinav3.c2r3"}, conflict(9072)),
    ],
)
def test_windows_needs_generation_3_2_vcores_and_4_gib(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        (with_mapping("/dev/sda1", NoDevice=""), value(4047)),
        (with_mapping("/dev/sda1", Bsu={"SnapshotId": "<snapshot>"}), parameter(3002)),
    ],
)
def test_the_root_volume_cannot_be_left_out_or_come_from_another_snapshot(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        (with_mapping("/dev/sda1", Bsu={"VolumeSize": 9}), value(4125)),
        (with_mapping("/dev/sda1", Bsu={"VolumeType": "io1"}), missing(7007)),
        (with_mapping("/dev/sda1", Bsu={"Iops": 100}), value(4045)),
        ({"ImageId": "<io1_image>", **with_mapping("/dev/sda1", Bsu={"Iops": 99})}, value(4029)),
    ],
)
def test_the_root_volume_keeps_to_the_rules_of_volumes(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
        (with_mapping("/dev/xvdb", Bsu={}), missing(7007)),
        (with_mapping("/dev/xvdb"), missing(7007)),
        (with_mapping("/dev/xvdb", Bsu={"SnapshotId": "tata"}), value(4104)),
        (with_mapping("/dev/xvdb", Bsu={"SnapshotId": "snap-00000000"}), absent(5054)),
        (with_mapping("/dev/xvdb", Bsu={"SnapshotId": "<hidden_snapshot>"}), absent(5054)),
        (with_mapping("/dev/xvdb", Bsu={"VolumeSize": 1, "VolumeType": ""}), value(4047)),
        (with_mapping("/dev/xvdb", VirtualDeviceName="disk0"), value(4076)),
        (with_mapping("/dev/xvdb", VirtualDeviceName="ephemeral0", Bsu={"VolumeSize": 1}), value(4076)),
    ],
)
def test_another_volume_keeps_to_the_rules_of_volumes(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


@launches(
    [
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
    ],
)
def test_a_device_has_a_name_of_its_own(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: Row
) -> None:
    _launch_refused(scene, changes, expected)


# Updates.


@updates(
    [
        ({}, missing(7007)),
        ({"VmId": "tata"}, value(4104)),
        ({"VmId": "i-123456"}, value(4105)),
        ({"VmId": "i-00000000"}, absent(5063)),
        ({"VmId": "<hidden_vm>"}, absent(5063)),
    ],
)
def test_a_vm_that_is_malformed_unknown_or_anothers_is_not_updated(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "UpdateVm", request_, expected)


@pytest.mark.parametrize("at", ["pending", "running", "stopping", "shutting-down", "terminated"])
@pytest.mark.parametrize(
    "change",
    [
        {"VmType": "tinav5.c1r1"},
        {"Performance": "medium"},
        {"UserData": ""},
        {"NestedVirtualization": True},
        {"BsuOptimized": False},
    ],
)
def test_type_performance_user_data_and_nesting_change_while_it_is_stopped_only(
    scene: Mapping[str, Any], at: str, change: dict[str, Any]
) -> None:
    _refused(scene, "UpdateVm", {"VmId": f"<vm_{at}>", **change}, state(6003))


@pytest.mark.parametrize("at", ["shutting-down", "terminated"])
@pytest.mark.parametrize("change", [{"DeletionProtection": True}, {"KeypairName": "<keypair>"}])
def test_nothing_changes_of_a_vm_that_is_terminated(
    scene: Mapping[str, Any], at: str, change: dict[str, Any]
) -> None:
    _refused(scene, "UpdateVm", {"VmId": f"<vm_{at}>", **change}, state(6003))


@updates(
    [
        ({"VmType": "t9.huge"}, absent(5024)),
        ({"VmType": ""}, absent(5024)),
        ({"UserData": "?"}, value(4047)),
        ({"UserData": base64.b64encode(bytes(500 * 1024 + 1)).decode()}, value(4047)),
        ({"KeypairName": "nobody"}, absent(5071)),
        ({"KeypairName": "<hidden_keypair>"}, absent(5071)),
        ({"VmInitiatedShutdownBehavior": "sleep"}, value(4047)),
        ({"Performance": "low"}, value(4047)),
        ({"SecurityGroupIds": ["sg-12345678"]}, absent(5022)),
    ],
)
def test_an_update_keeps_to_the_rules_of_launches(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "UpdateVm", {"VmId": "<stopped>", **request_}, expected)


def test_a_windows_vm_does_not_become_too_small(scene: Mapping[str, Any]) -> None:
    _refused(scene, "UpdateVm", {"VmId": "<stopped_windows>", "VmType": "t2.small"}, conflict(9072))


@updates(
    [
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
        ({"Bsu": {"VolumeId": "<volume>"}}, value(4047)),
        ({"DeviceName": "/dev/sda1", "Bsu": {"VolumeId": "<volume>"}}, value(4047)),
        ({"Bsu": {"VolumeId": "<hidden_volume>"}}, absent(5064)),
    ],
)
def test_a_deletion_flag_is_for_a_volume_of_the_vm(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "UpdateVm", {"VmId": "<vm>", "BlockDeviceMappings": [request_]}, expected)


# Transitions.


TRANSITIONS = ("StartVms", "StopVms", "RebootVms", "DeleteVms")


def _transition_refused(scene: Mapping[str, Any], action: str, vm_id: str, expected: Row) -> None:
    """Beside one that could be done, which is left as it was."""
    wanted = [scene["vm"] if action != "StartVms" else scene["stopped"], filled(vm_id, scene)]
    refusal = scene["client"].refusal(action, VmIds=wanted)
    assert refusal.row == expected
    assert refusal.details
    assert {read_vm(scene["client"].region, scene[name]).generation for name in ("vm", "stopped")} == {0}


@pytest.mark.parametrize("action", TRANSITIONS)
@pytest.mark.parametrize(
    ("vm_id", "expected"),
    [
        ("tata", value(4104)),
        ("i-123456", value(4105)),
        ("i-00000000", absent(5063)),
        ("<hidden_vm>", absent(5063)),
    ],
)
def test_one_malformed_unknown_or_hidden_vm_leaves_the_others_untouched(
    scene: Mapping[str, Any], action: str, vm_id: str, expected: Row
) -> None:
    _transition_refused(scene, action, vm_id, expected)


@pytest.mark.parametrize("vm_id", ["<vm_stopping>", "<vm_shutting-down>", "<vm_terminated>", "<rootless>"])
def test_a_vm_that_is_not_stopped_or_has_no_root_volume_is_not_started(
    scene: Mapping[str, Any], vm_id: str
) -> None:
    _transition_refused(scene, "StartVms", vm_id, state(6003))


@pytest.mark.parametrize(
    ("vm_id", "expected"),
    [
        ("<vm_pending>", conflict(9039)),
        ("<vm_shutting-down>", state(6003)),
        ("<vm_terminated>", state(6003)),
    ],
)
def test_a_vm_that_is_pending_or_terminated_is_not_stopped(
    scene: Mapping[str, Any], vm_id: str, expected: Row
) -> None:
    _transition_refused(scene, "StopVms", vm_id, expected)


@pytest.mark.parametrize("at", ["pending", "stopping", "stopped", "shutting-down", "terminated"])
def test_a_vm_that_does_not_run_is_not_rebooted(scene: Mapping[str, Any], at: str) -> None:
    _transition_refused(scene, "RebootVms", f"<vm_{at}>", state(6003))


def test_a_protected_vm_is_not_deleted(scene: Mapping[str, Any]) -> None:
    _transition_refused(scene, "DeleteVms", "<protected>", unsupported(8018))


@pytest.mark.parametrize("action", TRANSITIONS)
@pytest.mark.parametrize("request_", [{}, {"VmIds": []}])
def test_a_transition_needs_ids(scene: Mapping[str, Any], action: str, request_: dict[str, Any]) -> None:
    refusal = scene["client"].refusal(action, **request_)
    assert refusal.row == missing(7007)
    assert refusal.details == "The parameter 'VmIds' is required."


@pytest.mark.parametrize("action", ["ReadConsoleOutput", "ReadAdminPassword"])
@pytest.mark.parametrize(
    ("vm_id", "expected"),
    [("tata", value(4104)), ("i-00000000", absent(5063)), ("<hidden_vm>", absent(5063))],
)
def test_console_and_password_of_an_unknown_or_hidden_vm_are_not_read(
    scene: Mapping[str, Any], action: str, vm_id: str, expected: tuple[int, str, str]
) -> None:
    assert scene["client"].refusal(action, VmId=filled(vm_id, scene)).row == expected
