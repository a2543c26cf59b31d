"""Volumes on the wire (reference section 7)."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import pytest

from souche.app.region import Region
from souche.model.accounts import Principal
from souche.model.permissions import Permissions
from souche.states import SnapshotState, VmState, VolumeState
from tests.support.client import Client, absent, conflict, missing, parameter, state, value
from tests.support.region import make_account, make_region
from tests.support.requests import filled
from tests.support.resources import attach, make_snapshot, make_vm, make_volume

SUBREGION = "eu-test-1a"


def create(client: Client, **request: object) -> dict[str, Any]:
    volume: dict[str, Any] = client("CreateVolume", SubregionName=SUBREGION, **request)["Volume"]
    return volume


def test_an_empty_volume(client: Client) -> None:
    volume = create(client, Size=10, ClientToken="t")
    assert volume == {
        "ClientToken": "t",
        "CreationDate": "2026-11-24T10:00:00.000Z",
        "LinkedVolumes": [],
        "Size": 10,
        "State": "creating",
        "SubregionName": SUBREGION,
        "Tags": [],
        "VolumeId": volume["VolumeId"],
        "VolumeType": "standard",
    }
    assert client("ReadVolumes")["Volumes"] == [volume]


def test_a_volume_from_a_snapshot_takes_its_size_and_never_its_type(client: Client) -> None:
    snapshot_id = make_snapshot(client.region, client.who).snapshot_id
    volume = create(client, SnapshotId=snapshot_id)
    assert (volume["SnapshotId"], volume["Size"], volume["VolumeType"]) == (snapshot_id, 10, "standard")
    assert create(client, SnapshotId=snapshot_id, Size=14_901)["Size"] == 14_901


@pytest.mark.parametrize(
    ("request_", "iops"),
    [
        ({"Size": 10, "VolumeType": "gp2"}, 100),
        ({"Size": 100, "VolumeType": "gp2"}, 300),
        ({"Size": 14_901, "VolumeType": "gp2"}, 10_000),
        ({"Size": 4, "VolumeType": "io1", "Iops": 1200}, 1200),
        ({"Size": 4, "VolumeType": "io1", "Iops": 100}, 100),
        ({"Size": 14_901, "VolumeType": "io1", "Iops": 13_000}, 13_000),
        ({"Size": 1, "VolumeType": "standard"}, None),
    ],
)
def test_iops_are_shown_where_the_type_has_them(
    client: Client, request_: dict[str, object], iops: int | None
) -> None:
    assert create(client, **request_).get("Iops") == iops


def test_a_linked_volume_shows_its_link(client: Client) -> None:
    vm = make_vm(client.region, client.who, devices=())
    volume = attach(client.region, vm, "/dev/xvdb", delete_on_vm_deletion=False)
    (shown,) = client("ReadVolumes")["Volumes"]
    assert shown["State"] == "in-use"
    assert shown["LinkedVolumes"] == [
        {
            "DeleteOnVmDeletion": False,
            "DeviceName": "/dev/xvdb",
            "State": "attached",
            "VmId": vm.vm_id,
            "VolumeId": volume.volume_id,
        }
    ]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """What the refusals below name. Nothing that is refused changes anything, so they share it."""
    region = make_region(tmp_path_factory.mktemp("scene"))
    alice, bob = make_account(region, "alice"), make_account(region, "bob")
    vm = make_vm(region, alice, devices=("/dev/sda1", "/dev/xvdb"))
    others = (f"/dev/xvd{first}{second}" for first in "bc" for second in "abcdefghijklmnopqrst")
    full = make_vm(region, alice, devices=("/dev/sda1", *islice(others, 39)))
    busy = make_volume(region, alice).volume_id
    make_snapshot(region, alice, volume_id=busy, state=SnapshotState.PENDING)
    yield {
        "client": Client(region, alice),
        "snapshot": make_snapshot(region, alice).snapshot_id,
        "pending_snapshot": make_snapshot(region, alice, state=SnapshotState.PENDING).snapshot_id,
        "hidden_snapshot": make_snapshot(region, bob).snapshot_id,
        "volume": make_volume(region, alice).volume_id,
        "creating": make_volume(region, alice, state=VolumeState.CREATING).volume_id,
        "deleting": make_volume(region, alice, state=VolumeState.DELETING).volume_id,
        "error": make_volume(region, alice, state=VolumeState.ERROR).volume_id,
        "busy": busy,
        "root": vm.volumes[0].volume_id,
        "linked": vm.volumes[1].volume_id,
        "hidden": make_volume(region, bob).volume_id,
        "vm": vm.vm_id,
        "full_vm": full.vm_id,
        "pending_vm": make_vm(region, alice, VmState.PENDING).vm_id,
        "terminated_vm": make_vm(region, alice, VmState.TERMINATED, devices=()).vm_id,
        "hidden_vm": make_vm(region, bob).vm_id,
    }
    region.store.close()


CREATE_REFUSALS: list[tuple[dict[str, Any], tuple[int, str, str]]] = [
    ({"Size": 10}, missing(7007)),
    ({"SubregionName": SUBREGION}, missing(7007)),
    ({"SubregionName": "eu-west-2a", "Size": 10}, absent(5009)),
    ({"SubregionName": SUBREGION, "Size": 0}, value(4078)),
    ({"SubregionName": SUBREGION, "Size": -1}, value(4078)),
    ({"SubregionName": SUBREGION, "Size": 14_902}, value(4078)),
    ({"SubregionName": SUBREGION, "Size": "10"}, value(4110)),
    ({"SubregionName": SUBREGION, "Size": 10, "VolumeType": "ssd"}, value(4047)),
    ({"SubregionName": SUBREGION, "Size": 10, "VolumeType": ""}, value(4047)),
    ({"SubregionName": SUBREGION, "Size": 10, "Iops": 100}, value(4045)),
    ({"SubregionName": SUBREGION, "Size": 10, "Iops": 100, "VolumeType": "gp2"}, value(4045)),
    ({"SubregionName": SUBREGION, "Size": 10, "VolumeType": "io1"}, missing(7007)),
    ({"SubregionName": SUBREGION, "Size": 3, "VolumeType": "io1", "Iops": 100}, value(4078)),
    ({"SubregionName": SUBREGION, "Size": 10, "VolumeType": "io1", "Iops": 99}, value(4029)),
    ({"SubregionName": SUBREGION, "Size": 10, "VolumeType": "io1", "Iops": -100}, value(4029)),
    ({"SubregionName": SUBREGION, "Size": 100, "VolumeType": "io1", "Iops": 13_001}, value(4029)),
    ({"SubregionName": SUBREGION, "Size": 10, "VolumeType": "io1", "Iops": 3001}, value(4047)),
    ({"SubregionName": SUBREGION, "SnapshotId": "<snapshot>", "Size": 9}, value(4125)),
    ({"SubregionName": SUBREGION, "SnapshotId": "tata"}, value(4104)),
    ({"SubregionName": SUBREGION, "SnapshotId": "snap-123456"}, value(4105)),
    ({"SubregionName": SUBREGION, "SnapshotId": "snap-00000000"}, absent(5054)),
    ({"SubregionName": SUBREGION, "SnapshotId": "<hidden_snapshot>"}, absent(5054)),
    ({"SubregionName": SUBREGION, "SnapshotId": "<pending_snapshot>"}, state(6003)),
    ({"SubregionName": SUBREGION, "Size": 10, "ClientToken": "t" * 65}, value(4106)),
    ({"SubregionName": SUBREGION, "Size": 10, "Name": "x"}, parameter(3001)),
]


@pytest.mark.parametrize(("request_", "expected"), CREATE_REFUSALS)
def test_create_volume_refuses(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert scene["client"].refusal("CreateVolume", **filled(request_, scene)).row == expected


@pytest.mark.parametrize(
    ("volume_id", "expected"),
    [
        ("tata", value(4104)),
        ("vol-123456", value(4105)),
        ("vol-00000000", absent(5064)),
        ("<hidden>", absent(5064)),
        ("<creating>", state(6003)),
        ("<deleting>", state(6003)),
        ("<linked>", state(6003)),
        ("<busy>", state(6003)),
    ],
)
def test_delete_volume_refuses(
    scene: Mapping[str, Any], volume_id: str, expected: tuple[int, str, str]
) -> None:
    request = filled({"VolumeId": volume_id}, scene)
    assert scene["client"].refusal("DeleteVolume", **request).row == expected


LINK = {"VolumeId": "<volume>", "VmId": "<vm>", "DeviceName": "/dev/xvdz"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"VolumeId": "tata"}, value(4104)),
        ({"VolumeId": "vol-00000000"}, absent(5064)),
        ({"VolumeId": "<hidden>"}, absent(5064)),
        ({"VmId": "tata"}, value(4104)),
        ({"VmId": "i-00000000"}, absent(5063)),
        ({"VmId": "<hidden_vm>"}, absent(5063)),
        ({"VmId": "<pending_vm>"}, state(6003)),
        ({"VmId": "<terminated_vm>"}, state(6003)),
        ({"VolumeId": "<linked>"}, conflict(9004)),
        ({"VolumeId": "<creating>"}, state(6003)),
        ({"VolumeId": "<deleting>"}, state(6003)),
        ({"VolumeId": "<error>"}, state(6003)),
        ({"DeviceName": "xvdz"}, value(4019)),
        ({"DeviceName": ""}, value(4019)),
        ({"DeviceName": "/dev/xvdb"}, conflict(9004)),
        ({"DeviceName": "/dev/sdb"}, conflict(9004)),
        ({"DeviceName": "/dev/sda1"}, conflict(9004)),
        ({"VmId": "<full_vm>"}, value(4047)),
    ],
)
def test_link_volume_refuses(
    scene: Mapping[str, Any], changes: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert scene["client"].refusal("LinkVolume", **filled({**LINK, **changes}, scene)).row == expected


@pytest.mark.parametrize("needed", ["VolumeId", "VmId", "DeviceName"])
def test_link_volume_needs_all_three(scene: Mapping[str, Any], needed: str) -> None:
    request = {name: item for name, item in filled(LINK, scene).items() if name != needed}
    assert scene["client"].refusal("LinkVolume", **request).row == missing(7007)


@pytest.mark.parametrize(
    ("volume_id", "expected"),
    [
        ("tata", value(4104)),
        ("vol-00000000", absent(5064)),
        ("<hidden>", absent(5064)),
        ("<volume>", (424, "DependencyProblem", "1007")),
        ("<root>", state(6003)),
    ],
)
def test_unlink_volume_refuses(
    scene: Mapping[str, Any], volume_id: str, expected: tuple[int, str, str]
) -> None:
    request = filled({"VolumeId": volume_id}, scene)
    assert scene["client"].refusal("UnlinkVolume", **request).row == expected


def test_link_and_unlink_answer_nothing_else(client: Client) -> None:
    vm = make_vm(client.region, client.who)
    volume = make_volume(client.region, client.who)
    request = {"VmId": vm.vm_id, "VolumeId": volume.volume_id, "DeviceName": "/dev/sdb"}
    assert client("LinkVolume", **request) == {}
    (shown,) = client("ReadVolumes", Filters={"VolumeIds": [volume.volume_id]})["Volumes"]
    assert (shown["State"], shown["LinkedVolumes"][0]["State"]) == ("in-use", "attaching")
    linked = attach(client.region, vm, "/dev/sdc")
    assert client("UnlinkVolume", VolumeId=linked.volume_id, ForceUnlink=True) == {}


def test_the_volumes_of_another_account_are_not_listed(
    client: Client, bob: Principal, region: Region
) -> None:
    make_volume(region, bob)
    make_snapshot(region, bob, permissions=Permissions(public=True))
    assert client("ReadVolumes") == {"Volumes": []}


def test_a_volume_is_deleting_until_its_blocks_are_gone(client: Client) -> None:
    volume = make_volume(client.region, client.who)
    assert client("DeleteVolume", VolumeId=volume.volume_id) == {}
    assert client("ReadVolumes")["Volumes"][0]["State"] == "deleting"
