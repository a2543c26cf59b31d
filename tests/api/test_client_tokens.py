"""ClientTokens: the same request gets the same resource again, another one is refused (9009), and the token of what is
being deleted is free."""

from typing import Any

import pytest

from souche.db import snapshots, volumes
from souche.states import SnapshotState, VolumeState
from tests.support.client import Client, conflict
from tests.support.resources import make_image, make_snapshot, make_volume

SUBREGION = "eu-test-1a"
MAPPING = {"DeviceName": "/dev/sdb", "Bsu": {"VolumeSize": 1}}

Request = dict[str, object]


@pytest.mark.parametrize(
    "other",
    [
        {"MaxVmsCount": 2},
        {"MinVmsCount": 2},
        {"VmType": "tinav5.c1r1p2"},
        {"BlockDeviceMappings": [MAPPING]},
        {"UserData": "eA=="},
        {"BootOnCreation": False},
        {"Performance": "highest"},
    ],
)
def test_a_token_is_refused_for_another_launch(client: Client, other: Request) -> None:
    request: Request = {"ImageId": make_image(client.region, client.who).image_id, "ClientToken": "t"}
    assert client("CreateVms", **request)["Vms"] == client("CreateVms", **request)["Vms"]
    assert client.refusal("CreateVms", **request | other).row == conflict(9009)
    assert len(client("ReadVms")["Vms"]) == 1


@pytest.mark.parametrize("other", [{"Size": 11}, {"VolumeType": "gp2"}, {"VolumeType": "io1", "Iops": 100}])
def test_a_token_is_refused_for_another_volume(client: Client, other: Request) -> None:
    request: Request = {"SubregionName": SUBREGION, "Size": 10, "ClientToken": "t"}
    made = client("CreateVolume", **request)["Volume"]
    assert client("CreateVolume", **request)["Volume"] == made
    assert client.refusal("CreateVolume", **request | other).row == conflict(9009)


def test_a_token_is_refused_for_another_description(client: Client) -> None:
    taking = {"VolumeId": make_volume(client.region, client.who).volume_id, "ClientToken": "a"}
    source = make_snapshot(client.region, client.who).snapshot_id
    copying = {"SourceSnapshotId": source, "SourceRegionName": "eu-test-1", "ClientToken": "b"}
    for request in (taking, copying):
        first = client("CreateSnapshot", **request, Description="one")["Snapshot"]
        assert client("CreateSnapshot", **request, Description="one")["Snapshot"] == first
        for other in ({"Description": "other"}, {}):
            assert client.refusal("CreateSnapshot", **request, **other).row == conflict(9009)


def test_the_token_of_what_is_being_deleted_makes_a_new_one(client: Client) -> None:
    region, who = client.region, client.who
    image_id = make_image(region, who).image_id
    cases: list[tuple[str, str, str, dict[str, Any]]] = [
        ("CreateVms", "DeleteVms", "VmId", {"ImageId": image_id}),
        ("CreateVolume", "DeleteVolume", "VolumeId", {"SubregionName": SUBREGION, "Size": 1}),
        ("CreateSnapshot", "DeleteSnapshot", "SnapshotId", {"VolumeId": make_volume(region, who).volume_id}),
    ]
    for create, delete, name, request in cases:
        first = _made(client(create, **request, ClientToken="t"))
        _settle(client, first[name])
        client(delete, **({"VmIds": [first[name]]} if name == "VmId" else {name: first[name]}))
        second = _made(client(create, **request, ClientToken="t"))
        assert second[name] != first[name]
        assert _made(client(create, **request, ClientToken="t"))[name] == second[name]


def _made(answer: dict[str, Any]) -> dict[str, Any]:
    (made,) = answer.values()
    first: dict[str, Any] = made[0] if isinstance(made, list) else made
    return first


def _settle(client: Client, resource_id: str) -> None:
    """What a workflow would do: no workflows run here."""
    with client.region.store.begin() as connection:
        if resource_id.startswith("vol-"):
            volumes.set_state(connection, resource_id, VolumeState.AVAILABLE)
        if resource_id.startswith("snap-"):
            snapshots.set_state(connection, [resource_id], SnapshotState.COMPLETED, progress_percent=100)
