"""Snapshots on the wire (reference section 3)."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import pytest

from souche.app.context.region import Region
from souche.model.permissions import Permissions
from souche.states import SnapshotState, VolumeState
from tests.support.client import Client, absent, conflict, missing, parameter, state, unsupported, value
from tests.support.region import make_account, make_region
from tests.support.requests import filled
from tests.support.resources import make_image, make_snapshot, make_volume

HERE = "eu-test-1"


def test_a_new_snapshot_of_a_volume_is_in_queue_private_and_without_progress(client: Client) -> None:
    volume = make_volume(client.region, client.who)
    answer = client("CreateSnapshot", VolumeId=volume.volume_id, Description="d", ClientToken="t")
    assert answer["Snapshot"] == {
        "AccountId": client.who.account_id,
        "ClientToken": "t",
        "CreationDate": "2026-11-24T10:00:00.000Z",
        "Description": "d",
        "PermissionsToCreateVolume": {"AccountIds": [], "GlobalPermission": False},
        "Progress": 0,
        "SnapshotId": answer["Snapshot"]["SnapshotId"],
        "State": "in-queue",
        "Tags": [],
        "VolumeId": volume.volume_id,
        "VolumeSize": 10,
    }
    assert client("ReadSnapshots")["Snapshots"] == [answer["Snapshot"]]


def test_a_copy_inherits_the_description_and_has_no_volume(client: Client) -> None:
    source = make_snapshot(client.region, client.who, description="d", volume_id="vol-12345678")
    request = {"SourceSnapshotId": source.snapshot_id, "SourceRegionName": HERE}
    copy = client("CreateSnapshot", **request)["Snapshot"]
    assert (copy["Description"], copy["VolumeSize"]) == ("d", 10)
    assert "VolumeId" not in copy
    assert client("CreateSnapshot", **request, Description="")["Snapshot"]["Description"] == ""


def test_the_default_scope_is_own_shared_and_public(client: Client, other: Client) -> None:
    region, bob = other.region, other.who
    own = make_snapshot(region, client.who).snapshot_id
    shared = make_snapshot(region, bob, permissions=Permissions((client.who.account_id,))).snapshot_id
    public = make_snapshot(region, bob, permissions=Permissions(public=True)).snapshot_id
    make_snapshot(region, bob)
    listed = {each["SnapshotId"] for each in client("ReadSnapshots")["Snapshots"]}
    assert listed == {own, shared, public}
    of_bob = client("ReadSnapshots", Filters={"AccountIds": [bob.account_id]})["Snapshots"]
    assert {each["SnapshotId"] for each in of_bob} == {shared, public}


def test_a_token_gives_the_same_snapshot_again_and_is_refused_for_another_source(client: Client) -> None:
    volume = make_volume(client.region, client.who)
    first = client("CreateSnapshot", VolumeId=volume.volume_id, ClientToken="t")["Snapshot"]
    assert client("CreateSnapshot", VolumeId=volume.volume_id, ClientToken="t")["Snapshot"] == first
    assert client("ReadSnapshots")["Snapshots"] == [first]
    source = make_snapshot(client.region, client.who).snapshot_id
    request = {"SourceSnapshotId": source, "SourceRegionName": HERE, "ClientToken": "t"}
    assert client.refusal("CreateSnapshot", **request).row == conflict(9009)


def test_an_empty_token_is_none(client: Client) -> None:
    volume = make_volume(client.region, client.who)
    source = {
        "SourceSnapshotId": make_snapshot(client.region, client.who).snapshot_id,
        "SourceRegionName": HERE,
    }
    for request in ({"VolumeId": volume.volume_id}, source):
        made = [client("CreateSnapshot", **request, ClientToken="")["Snapshot"] for _ in range(2)]
        assert made[0]["SnapshotId"] != made[1]["SnapshotId"]


def test_the_alias_of_an_owner_is_shown(region: Region, client: Client) -> None:
    vendor = make_account(region, "vendor", alias="Vendor")
    make_snapshot(region, vendor, permissions=Permissions(public=True))
    (shown,) = client("ReadSnapshots")["Snapshots"]
    assert shown["AccountAlias"] == "Vendor"


@pytest.fixture(scope="module")
def scene(on_both: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """What the refusals below name. Nothing that is refused changes anything, so they share it."""
    region = make_region(tmp_path_factory.mktemp("scene"))
    alice, bob = make_account(region, "alice"), make_account(region, "bob")
    used = make_image(region, alice)
    yield {
        "client": Client(region, alice),
        "volume": make_volume(region, alice).volume_id,
        "creating": make_volume(region, alice, state=VolumeState.CREATING).volume_id,
        "deleting_volume": make_volume(region, alice, state=VolumeState.DELETING).volume_id,
        "broken_volume": make_volume(region, alice, state=VolumeState.ERROR).volume_id,
        "hidden_volume": make_volume(region, bob).volume_id,
        "snapshot": make_snapshot(region, alice).snapshot_id,
        "pending": make_snapshot(region, alice, state=SnapshotState.PENDING).snapshot_id,
        "in-queue": make_snapshot(region, alice, state=SnapshotState.IN_QUEUE).snapshot_id,
        "error": make_snapshot(region, alice, state=SnapshotState.ERROR).snapshot_id,
        "deleting": make_snapshot(region, alice, state=SnapshotState.DELETING).snapshot_id,
        "used": used.mappings[0].snapshot_id,
        "hidden": make_snapshot(region, bob).snapshot_id,
        "shared": make_snapshot(region, bob, permissions=Permissions((alice.account_id,))).snapshot_id,
    }
    region.store.close()


COPY = {"SourceSnapshotId": "<snapshot>", "SourceRegionName": HERE}

Row: TypeAlias = tuple[int, str, str]

refusals = partial(pytest.mark.parametrize, ("request_", "expected"))


def _refused(scene: Mapping[str, Any], action: str, request: dict[str, Any], expected: Row) -> None:
    refusal = scene["client"].refusal(action, **filled(request, scene))
    assert refusal.row == expected
    assert refusal.details


@refusals(
    [
        ({}, missing(7007)),
        ({"Description": "d"}, missing(7007)),
        ({"SourceRegionName": HERE}, missing(7007)),
        ({"SnapshotSize": 1}, missing(7007)),
        ({"SourceSnapshotId": "<snapshot>"}, missing(7007)),
        ({"FileLocation": "http://example.org/disk"}, missing(7007)),
    ],
)
def test_without_a_whole_mode_no_snapshot_is_made(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateSnapshot", request_, expected)


@refusals(
    [
        ({**COPY, "VolumeId": "<volume>"}, parameter(3002)),
        ({"VolumeId": "<volume>", "SourceRegionName": HERE}, parameter(3002)),
        ({"VolumeId": "<volume>", "SnapshotSize": 1}, parameter(3002)),
        ({"VolumeId": "<volume>", "FileLocation": "http://example.org"}, parameter(3002)),
        ({**COPY, "FileLocation": "http://example.org"}, parameter(3002)),
        ({**COPY, "SnapshotSize": 1}, parameter(3002)),
    ],
)
def test_two_ways_of_making_a_snapshot_do_not_go_together(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateSnapshot", request_, expected)


def test_a_copy_from_another_region_is_refused(scene: Mapping[str, Any]) -> None:
    _refused(scene, "CreateSnapshot", {**COPY, "SourceRegionName": "us-east-2"}, unsupported(8019))


@pytest.mark.parametrize("mode", [{"VolumeId": "<volume>"}, COPY])
@pytest.mark.parametrize("text", [{"Description": "d" * 256}, {"ClientToken": "t" * 65}])
def test_a_description_has_255_characters_and_a_token_64_at_the_most(
    scene: Mapping[str, Any], mode: dict[str, str], text: dict[str, str]
) -> None:
    _refused(scene, "CreateSnapshot", {**mode, **text}, value(4106))


@refusals(
    [
        ({"VolumeId": "tata"}, value(4104)),
        ({"VolumeId": "vol-123456"}, value(4105)),
        ({"VolumeId": "vol-00000000"}, absent(5064)),
        ({"VolumeId": "<hidden_volume>"}, absent(5064)),
        ({**COPY, "SourceSnapshotId": "tata"}, value(4104)),
        ({**COPY, "SourceSnapshotId": "snap-123456"}, value(4105)),
        ({**COPY, "SourceSnapshotId": "snap-00000000"}, absent(5054)),
        ({**COPY, "SourceSnapshotId": "<hidden>"}, absent(5054)),
    ],
)
def test_a_source_that_is_malformed_unknown_or_hidden_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateSnapshot", request_, expected)


@refusals(
    [
        ({"VolumeId": "<creating>"}, state(6003)),
        ({"VolumeId": "<deleting_volume>"}, state(6003)),
        ({"VolumeId": "<broken_volume>"}, state(6003)),
        ({**COPY, "SourceSnapshotId": "<pending>"}, state(6003)),
        ({**COPY, "SourceSnapshotId": "<in-queue>"}, state(6003)),
        ({**COPY, "SourceSnapshotId": "<error>"}, state(6003)),
        ({**COPY, "SourceSnapshotId": "<deleting>"}, state(6003)),
    ],
)
def test_a_volume_in_passing_and_a_snapshot_that_is_not_completed_are_no_source(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateSnapshot", request_, expected)


PUBLIC = {"Additions": {"GlobalPermission": True}}


@refusals(
    [
        ({"SnapshotId": "<snapshot>"}, missing(7007)),
        ({"PermissionsToCreateVolume": PUBLIC}, missing(7007)),
        ({"SnapshotId": "<snapshot>", "PermissionsToCreateVolume": {}}, missing(7007)),
    ],
)
def test_an_update_needs_the_snapshot_and_its_permissions(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "UpdateSnapshot", request_, expected)


def test_additions_and_removals_do_not_go_together(scene: Mapping[str, Any]) -> None:
    both = {**PUBLIC, "Removals": {"GlobalPermission": True}}
    request = {"SnapshotId": "<snapshot>", "PermissionsToCreateVolume": both}
    _refused(scene, "UpdateSnapshot", request, parameter(3002))


def test_an_account_id_that_is_not_12_digits_is_refused(scene: Mapping[str, Any]) -> None:
    change = {"Additions": {"AccountIds": ["x"]}}
    request = {"SnapshotId": "<snapshot>", "PermissionsToCreateVolume": change}
    _refused(scene, "UpdateSnapshot", request, value(4105))


@refusals(
    [
        ("tata", value(4104)),
        ("snap-123456", value(4105)),
        ("snap-00000000", absent(5054)),
        ("<hidden>", absent(5054)),
        ("<shared>", absent(5054)),
    ],
)
def test_a_snapshot_that_is_unknown_or_anothers_is_neither_updated_nor_deleted(
    scene: Mapping[str, Any], request_: str, expected: Row
) -> None:
    """Also one that is shared with the caller."""
    request = {"SnapshotId": request_}
    _refused(scene, "UpdateSnapshot", {**request, "PermissionsToCreateVolume": PUBLIC}, expected)
    _refused(scene, "DeleteSnapshot", request, expected)


def test_a_snapshot_of_an_image_is_not_deleted(scene: Mapping[str, Any]) -> None:
    _refused(scene, "DeleteSnapshot", {"SnapshotId": "<used>"}, conflict(9094))


@pytest.mark.parametrize("at", ["pending", "in-queue", "deleting"])
def test_a_snapshot_in_passing_is_not_deleted(scene: Mapping[str, Any], at: str) -> None:
    _refused(scene, "DeleteSnapshot", {"SnapshotId": f"<{at}>"}, state(6003))


def share(client: Client, snapshot_id: str, **change: object) -> Any:
    answer = client("UpdateSnapshot", SnapshotId=snapshot_id, PermissionsToCreateVolume=change)
    return answer["Snapshot"]["PermissionsToCreateVolume"]


def test_sharing_is_idempotent_and_whoever_it_is_taken_from_sees_no_snapshot(
    client: Client, other: Client
) -> None:
    snapshot_id = make_snapshot(client.region, client.who).snapshot_id
    bob = other.who.account_id
    everything = {"AccountIds": [bob], "GlobalPermission": True}
    assert share(client, snapshot_id, Additions={"AccountIds": [bob]}) == {
        "AccountIds": [bob],
        "GlobalPermission": False,
    }
    assert [shown["SnapshotId"] for shown in other("ReadSnapshots")["Snapshots"]] == [snapshot_id]
    assert share(client, snapshot_id, Additions=everything, Removals={}) == everything
    assert share(client, snapshot_id, Removals=everything) == {"AccountIds": [], "GlobalPermission": False}
    assert share(client, snapshot_id, Removals=everything) == {"AccountIds": [], "GlobalPermission": False}
    assert other("ReadSnapshots") == {"Snapshots": []}


def test_a_grantee_makes_volumes_images_and_copies(client: Client, other: Client) -> None:
    snapshot_id = make_snapshot(
        client.region, client.who, permissions=Permissions((other.who.account_id,))
    ).snapshot_id
    other("CreateVolume", SnapshotId=snapshot_id, SubregionName=f"{HERE}a")
    other("CreateSnapshot", SourceSnapshotId=snapshot_id, SourceRegionName=HERE)
    mapping = {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": snapshot_id}}
    other("CreateImage", ImageName="of it", RootDeviceName="/dev/sda1", BlockDeviceMappings=[mapping])


def test_an_image_that_the_owner_cannot_see_is_not_named_when_it_holds_the_snapshot(
    client: Client, other: Client
) -> None:
    snapshot = make_snapshot(client.region, client.who, permissions=Permissions((other.who.account_id,)))
    mapping = {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": snapshot.snapshot_id}}
    image = other("CreateImage", ImageName="its", RootDeviceName="/dev/sda1", BlockDeviceMappings=[mapping])
    refusal = client.refusal("DeleteSnapshot", SnapshotId=snapshot.snapshot_id)
    assert refusal.row == conflict(9094)
    assert image["Image"]["ImageId"] not in refusal.details


def test_a_deleted_snapshot_is_deleting_until_its_blocks_are_gone(client: Client) -> None:
    snapshot = make_snapshot(client.region, client.who)
    assert client("DeleteSnapshot", SnapshotId=snapshot.snapshot_id) == {}
    (shown,) = client("ReadSnapshots")["Snapshots"]
    assert (shown["State"], shown["Progress"]) == ("deleting", 100)
