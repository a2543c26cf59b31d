"""How every mistake about VMs is refused: status, Type and Code (reference sections 1 and 6)."""

import base64
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from tests.api.vm_scene import Row, refused, with_mapping
from tests.api.vm_scene import scene as scene
from tests.support.client import absent, conflict, missing, parameter, state, value

launches = partial(pytest.mark.parametrize, ("changes", "expected"))


def _launch_refused(scene: Mapping[str, Any], changes: dict[str, Any], expected: Row) -> None:
    refused(scene, "CreateVms", {"ImageId": "<image>", **changes}, expected)


def test_a_launch_needs_an_image(scene: Mapping[str, Any]) -> None:
    refused(scene, "CreateVms", {}, missing(7007))


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
    refused(scene, "UpdateVm", {"VmId": "<stopped>", **wanted}, value(4047))


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
