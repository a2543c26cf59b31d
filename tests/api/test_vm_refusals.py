"""How every mistake about VMs is refused: status, Type and Code (reference sections 1 and 6)."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

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
