"""Which block device mappings of an image are refused: status, Type and Code (reference sections 1 and 5).

Those of a launch go through the same rules: tests/api/test_vm_refusals.py."""

import string
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import pytest

from tests.api.image_requests import EPHEMERAL, REGISTER, ROOT_MAPPING, registering, root
from tests.support.client import Client, conflict, missing, value
from tests.support.region import make_account, make_region
from tests.support.requests import filled
from tests.support.resources import make_snapshot

Row: TypeAlias = tuple[int, str, str]

refusals = partial(pytest.mark.parametrize, ("request_", "expected"))
FORTY_PLACES = [f"{first}{second}" for first in "bc" for second in string.ascii_lowercase[:20]]


@pytest.fixture(scope="module")
def scene(on_both: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """A client with a snapshot of 10 GiB. Nothing that is refused changes anything, so the tests share it."""
    region = make_region(tmp_path_factory.mktemp("scene"))
    alice = make_account(region, "alice")
    yield {"client": Client(region, alice), "snapshot": make_snapshot(region, alice).snapshot_id}
    region.store.close()


def with_data(**bsu: object) -> dict[str, object]:
    return registering(ROOT_MAPPING, {"DeviceName": "/dev/xvdb", "Bsu": bsu})


def _refused(scene: Mapping[str, Any], request: dict[str, Any], expected: Row) -> None:
    refusal = scene["client"].refusal("CreateImage", **filled(request, scene))
    assert refusal.row == expected
    assert refusal.details


@refusals(
    [
        ({**REGISTER, "BlockDeviceMappings": []}, missing(7003)),
        (registering({"DeviceName": "/dev/sda1", "Bsu": {"VolumeSize": 10}}), missing(7003)),
        (registering({"DeviceName": "/dev/sda1", "VirtualDeviceName": "ephemeral0"}), missing(7003)),
        (registering({"DeviceName": "/dev/sda1"}), missing(7003)),
        (registering({"DeviceName": "/dev/xvdb", "Bsu": {"SnapshotId": "<snapshot>"}}), missing(7003)),
    ],
)
def test_the_root_of_an_image_needs_a_snapshot(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, request_, expected)


@refusals(
    [
        (registering({**ROOT_MAPPING, "VirtualDeviceName": "ephemeral0"}), value(4076)),
        (registering(ROOT_MAPPING, {**EPHEMERAL, "VirtualDeviceName": "disk0"}), value(4076)),
        (registering(ROOT_MAPPING, {**EPHEMERAL, "Bsu": {"VolumeSize": 1}}), value(4076)),
    ],
)
def test_a_device_is_a_volume_or_an_ephemeral_disk(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, request_, expected)


@refusals(
    [
        (registering(root("<snapshot>", Iops=1000)), value(4045)),
        (registering(root("<snapshot>", Iops=1000, VolumeType="gp2")), value(4045)),
    ],
)
def test_iops_are_for_io1_only(scene: Mapping[str, Any], request_: dict[str, Any], expected: Row) -> None:
    _refused(scene, request_, expected)


@refusals(
    [
        (registering(root("<snapshot>", VolumeSize=9)), value(4125)),
    ],
)
def test_a_volume_smaller_than_its_snapshot_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, request_, expected)


@refusals(
    [
        (registering(root("<snapshot>", VolumeSize=0)), value(4078)),
        (registering(root("<snapshot>", VolumeSize=14_902)), value(4078)),
        (registering(root("<snapshot>", VolumeSize=-(2**63))), value(4078)),
        (with_data(VolumeSize=3, VolumeType="io1", Iops=100), value(4078)),
    ],
)
def test_a_size_is_from_1_to_14901_gib_and_4_at_least_for_io1(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, request_, expected)


@refusals(
    [
        (registering(root("<snapshot>", VolumeType="")), value(4047)),
        (registering(root("<snapshot>", VolumeType="ssd")), value(4047)),
    ],
)
def test_an_unknown_volume_type_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, request_, expected)


@refusals(
    [
        (registering(root("<snapshot>", VolumeType="io1", Iops=99)), value(4029)),
        (registering(root("<snapshot>", VolumeType="io1", Iops=-1)), value(4029)),
        (registering(root("<snapshot>", VolumeType="io1", Iops=13_001)), value(4029)),
        (registering(root("<snapshot>", VolumeType="io1", Iops=3001)), value(4047)),
    ],
)
def test_iops_are_from_100_to_13000_and_300_a_gib_at_the_most(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, request_, expected)


@refusals(
    [
        (registering(root("<snapshot>", VolumeType="io1")), missing(7007)),
        (with_data(), missing(7007)),
        (registering(ROOT_MAPPING, {"Bsu": {"VolumeSize": 1}}), missing(7007)),
    ],
)
def test_a_mapping_needs_its_device_its_size_and_its_iops(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, request_, expected)


@refusals(
    [
        (registering(ROOT_MAPPING, ROOT_MAPPING), conflict(9014)),
        (registering(ROOT_MAPPING, EPHEMERAL, {**EPHEMERAL, "DeviceName": "/dev/sdb"}), conflict(9014)),
    ],
)
def test_two_mappings_of_one_place_are_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    """/dev/sdb and /dev/xvdb are one place."""
    _refused(scene, request_, expected)


@refusals(
    [
        ({**REGISTER, "RootDeviceName": "sda1"}, value(4019)),
        ({**REGISTER, "RootDeviceName": "/dev/xvda"}, value(4019)),
        (registering({**ROOT_MAPPING, "DeviceName": "/dev/xvdb"}, RootDeviceName="/dev/xvdb"), value(4047)),
        *[
            (registering(ROOT_MAPPING, {"DeviceName": name, "Bsu": {"VolumeSize": 1}}), value(4019))
            for name in (
                "",
                "xvdb",
                "/dev/sda",
                "/dev/sda2",
                "/dev/xvda",
                "/dev/sdb1",
                "/dev/sdbcd",
                "/dev/vdb",
            )
        ],
    ],
)
def test_a_device_name_of_another_form_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    """Others are sdX, sdXX, xvdX and xvdXX, the first letter b to z."""
    _refused(scene, request_, expected)


@refusals(
    [
        (
            registering(
                ROOT_MAPPING,
                *[{"DeviceName": f"/dev/xvd{each}", "Bsu": {"VolumeSize": 1}} for each in FORTY_PLACES],
            ),
            value(4047),
        ),
    ],
)
def test_an_image_has_40_volumes_at_the_most(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, request_, expected)
