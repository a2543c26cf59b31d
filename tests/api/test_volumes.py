"""Volumes on the wire (reference section 7)."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import pytest

from souche.app.context.region import Region
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


def test_a_new_volume_is_creating_empty_and_standard(client: Client) -> None:
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
        ({"Size": 1, "Iops": 0}, None),  # as the CSI driver sends it
        ({"Size": 10, "VolumeType": "gp2", "Iops": 0}, 100),
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


def test_a_token_gives_the_same_volume_again_and_is_refused_for_another_snapshot(client: Client) -> None:
    snapshot_id = make_snapshot(client.region, client.who).snapshot_id
    volume = create(client, Size=10, ClientToken="t")
    assert create(client, Size=10, ClientToken="t") == volume
    assert client("ReadVolumes")["Volumes"] == [volume]
    request = {"SubregionName": SUBREGION, "SnapshotId": snapshot_id, "ClientToken": "t"}
    assert client.refusal("CreateVolume", **request).row == conflict(9009)


def test_an_empty_token_is_none(client: Client) -> None:
    assert [create(client, Size=size, ClientToken="")["Size"] for size in (1, 2)] == [1, 2]


@pytest.fixture(scope="module")
def scene(on_both: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
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
        "stopping_vm": make_vm(region, alice, VmState.STOPPING).vm_id,
        "terminated_vm": make_vm(region, alice, VmState.TERMINATED, devices=()).vm_id,
        "hidden_vm": make_vm(region, bob).vm_id,
    }
    region.store.close()


Row: TypeAlias = tuple[int, str, str]

refusals = partial(pytest.mark.parametrize, ("request_", "expected"))
HERE = {"SubregionName": SUBREGION}
EMPTY = {**HERE, "Size": 10}


def _refused(scene: Mapping[str, Any], action: str, request: dict[str, Any], expected: Row) -> None:
    refusal = scene["client"].refusal(action, **filled(request, scene))
    assert refusal.row == expected
    assert refusal.details


@refusals(
    [
        ({"Size": 10}, missing(7007)),
        (HERE, missing(7007)),
    ],
)
def test_a_volume_needs_its_subregion_and_a_size_or_a_snapshot(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateVolume", request_, expected)


def test_another_subregion_is_unknown(scene: Mapping[str, Any]) -> None:
    _refused(scene, "CreateVolume", {"SubregionName": "eu-west-2a", "Size": 10}, absent(5009))


@refusals(
    [
        ({"Size": 0}, value(4078)),
        ({"Size": -1}, value(4078)),
        ({"Size": 14_902}, value(4078)),
        ({"Size": 3, "VolumeType": "io1", "Iops": 100}, value(4078)),
    ],
)
def test_a_volume_has_1_to_14901_gib_and_4_at_least_for_io1(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateVolume", {**HERE, **request_}, expected)


@refusals(
    [
        ({"Name": "x"}, parameter(3001)),
        ({"Size": "10"}, value(4110)),
    ],
)
def test_an_unknown_parameter_and_one_of_another_type_are_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateVolume", {**EMPTY, **request_}, expected)


@refusals(
    [
        ({"VolumeType": "ssd"}, value(4047)),
        ({"VolumeType": ""}, value(4047)),
    ],
)
def test_another_volume_type_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateVolume", {**EMPTY, **request_}, expected)


@refusals(
    [
        ({"Iops": 100}, value(4045)),
        ({"Iops": 100, "VolumeType": "gp2"}, value(4045)),
        ({"VolumeType": "io1"}, missing(7007)),
    ],
)
def test_iops_are_for_io1_which_needs_them(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateVolume", {**EMPTY, **request_}, expected)


@refusals(
    [
        ({"Size": 10, "Iops": 0}, value(4029)),
        ({"Size": 10, "Iops": 99}, value(4029)),
        ({"Size": 10, "Iops": -100}, value(4029)),
        ({"Size": 100, "Iops": 13_001}, value(4029)),
        ({"Size": 10, "Iops": 3001}, value(4047)),
    ],
)
def test_iops_are_from_100_to_13000_and_300_a_gib_at_the_most(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateVolume", {**HERE, "VolumeType": "io1", **request_}, expected)


def test_a_volume_is_not_smaller_than_its_snapshot(scene: Mapping[str, Any]) -> None:
    _refused(scene, "CreateVolume", {**HERE, "SnapshotId": "<snapshot>", "Size": 9}, value(4125))


@refusals(
    [
        ({"SnapshotId": "tata"}, value(4104)),
        ({"SnapshotId": "snap-123456"}, value(4105)),
        ({"SnapshotId": "snap-00000000"}, absent(5054)),
        ({"SnapshotId": "<hidden_snapshot>"}, absent(5054)),
        ({"SnapshotId": "<pending_snapshot>"}, state(6003)),
    ],
)
def test_a_snapshot_that_is_malformed_unknown_hidden_or_not_completed_makes_no_volume(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateVolume", {**HERE, **request_}, expected)


def test_a_client_token_has_64_characters_at_the_most(scene: Mapping[str, Any]) -> None:
    _refused(scene, "CreateVolume", {**EMPTY, "ClientToken": "t" * 65}, value(4106))


@pytest.mark.parametrize("action", ["DeleteVolume", "UnlinkVolume", "UpdateVolume"])
@refusals(
    [
        ({}, missing(7007)),
        ({"VolumeId": "tata"}, value(4104)),
        ({"VolumeId": "vol-123456"}, value(4105)),
        ({"VolumeId": "vol-00000000"}, absent(5064)),
        ({"VolumeId": "<hidden>"}, absent(5064)),
    ],
)
def test_a_volume_that_is_malformed_unknown_or_anothers_is_not_touched(
    scene: Mapping[str, Any], action: str, request_: dict[str, Any], expected: Row
) -> None:
    change = {"Size": 20} if action == "UpdateVolume" else {}
    _refused(scene, action, {**request_, **change}, expected)


@pytest.mark.parametrize("which", ["creating", "deleting", "linked", "busy"])
def test_a_volume_in_passing_attached_or_being_captured_is_not_deleted(
    scene: Mapping[str, Any], which: str
) -> None:
    _refused(scene, "DeleteVolume", {"VolumeId": f"<{which}>"}, state(6003))


LINK = {"VolumeId": "<volume>", "VmId": "<vm>", "DeviceName": "/dev/xvdz"}


@refusals(
    [
        ({"VolumeId": "tata"}, value(4104)),
        ({"VolumeId": "vol-00000000"}, absent(5064)),
        ({"VolumeId": "<hidden>"}, absent(5064)),
        ({"VmId": "tata"}, value(4104)),
        ({"VmId": "i-00000000"}, absent(5063)),
        ({"VmId": "<hidden_vm>"}, absent(5063)),
    ],
)
def test_a_link_of_an_unknown_or_hidden_volume_or_vm_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "LinkVolume", {**LINK, **request_}, expected)


@refusals(
    [
        ({"VmId": "<pending_vm>"}, state(6003)),
        ({"VmId": "<stopping_vm>"}, state(6003)),
        ({"VmId": "<terminated_vm>"}, state(6003)),
    ],
)
def test_the_vm_of_a_link_runs_or_is_stopped(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "LinkVolume", {**LINK, **request_}, expected)


@refusals(
    [
        ({"VolumeId": "<linked>"}, conflict(9004)),
        ({"VolumeId": "<creating>"}, state(6003)),
        ({"VolumeId": "<deleting>"}, state(6003)),
        ({"VolumeId": "<error>"}, state(6003)),
    ],
)
def test_only_an_available_volume_is_linked(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "LinkVolume", {**LINK, **request_}, expected)


@refusals(
    [
        ({"DeviceName": "xvdz"}, value(4019)),
        ({"DeviceName": ""}, value(4019)),
        ({"DeviceName": "/dev/xvdb"}, conflict(9004)),
        ({"DeviceName": "/dev/sdb"}, conflict(9004)),
        ({"DeviceName": "/dev/sda1"}, conflict(9004)),
    ],
)
def test_the_device_of_a_link_is_of_the_form_and_free(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "LinkVolume", {**LINK, **request_}, expected)


def test_a_vm_has_40_volumes_at_the_most(scene: Mapping[str, Any]) -> None:
    _refused(scene, "LinkVolume", {**LINK, "VmId": "<full_vm>"}, value(4047))


@pytest.mark.parametrize("needed", ["VolumeId", "VmId", "DeviceName"])
def test_a_link_needs_volume_vm_and_device(scene: Mapping[str, Any], needed: str) -> None:
    request = {name: item for name, item in LINK.items() if name != needed}
    _refused(scene, "LinkVolume", request, missing(7007))


def test_a_volume_that_is_not_linked_is_unlinked_already(scene: Mapping[str, Any]) -> None:
    _refused(scene, "UnlinkVolume", {"VolumeId": "<volume>"}, (424, "DependencyProblem", "1007"))


def test_the_root_volume_of_a_running_vm_is_not_unlinked(scene: Mapping[str, Any]) -> None:
    _refused(scene, "UnlinkVolume", {"VolumeId": "<root>"}, state(6003))


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
