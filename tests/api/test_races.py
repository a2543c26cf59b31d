"""A request that another one precedes between its read and its write is refused as if the other had come first. SQLite
has one writer at a time; PostgreSQL has several. So these tests blind the read once: it sees what a transaction sees
that began before the other's commit. The unique key of the database then refuses the write.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain, count, repeat
from typing import Any

import pytest

from souche.api.protocol.dispatch import RACES_LOST
from souche.app.context.region import Region
from souche.db import images, keypairs, security_groups, snapshots, vms, volumes
from souche.errors import Raced
from souche.ids import IdSource
from souche.model.accounts import Principal
from tests.support.client import Client, conflict
from tests.support.resources import make_image, make_keypair, make_security_group, make_volume

TOKEN = {"ClientToken": "once"}


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[object]]:
    """Makes a look of the database layer see nothing, this many times; returns the list of its looks."""

    def make(module: Any, name: str, *, sees: object = None, times: int = 1) -> list[object]:
        look = getattr(module, name)
        looks: list[object] = []

        def first_blind(*arguments: Any) -> Any:
            looks.append(arguments)
            return sees if len(looks) <= times else look(*arguments)

        monkeypatch.setattr(module, name, first_blind)
        return looks

    return make


def registering(client: Client) -> dict[str, object]:
    snapshot_id = make_image(client.region, client.who).mappings[0].snapshot_id
    mapping = {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": snapshot_id}}
    return {"ImageName": "image", "RootDeviceName": "/dev/sda1", "BlockDeviceMappings": [mapping]}


def test_a_name_that_is_taken_meanwhile_is_refused(
    client: Client, blind: Callable[..., list[object]]
) -> None:
    request = registering(client)
    looks = blind(images, "named")
    refusal = client.refusal("CreateImage", **request)
    assert (refusal.row, len(looks)) == (conflict(9015), 2)


def test_the_default_name_of_a_copy_that_is_taken_meanwhile_gives_way(
    client: Client, blind: Callable[..., list[object]]
) -> None:
    source = make_image(client.region, client.who)
    make_image(client.region, client.who, "image-copy1")
    blind(images, "named", times=2)  # the search of a name, and the check of the one found
    request = {"SourceImageId": source.image_id, "SourceRegionName": client.region.name}
    assert client("CreateImage", **request)["Image"]["ImageName"] == "image-copy2"


def test_the_names_of_key_pairs_and_security_groups_too(
    client: Client, blind: Callable[..., list[object]]
) -> None:
    make_keypair(client.region, client.who, "taken")
    make_security_group(client.region, client.who, "taken")
    blind(keypairs, "named")
    blind(security_groups, "named")
    assert client.refusal("CreateKeypair", KeypairName="taken").row == conflict(9011)
    group = {"SecurityGroupName": "taken", "Description": "d"}
    assert client.refusal("CreateSecurityGroup", **group).row == conflict(9008)


def test_a_client_token_that_is_used_meanwhile_gives_what_it_stands_for(
    client: Client, blind: Callable[..., list[object]]
) -> None:
    image_id = make_image(client.region, client.who).image_id
    volume_id = make_volume(client.region, client.who).volume_id
    for action, request, module, look, sees in (
        ("CreateVms", {"ImageId": image_id}, vms, "of_client_token", []),
        ("CreateVolume", {"SubregionName": "eu-test-1a", "Size": 1}, volumes, "with_client_token", None),
        ("CreateSnapshot", {"VolumeId": volume_id}, snapshots, "with_client_token", None),
    ):
        first = client(action, **request, **TOKEN)
        looks = blind(module, look, sees=sees)
        assert client(action, **request, **TOKEN) == first
        assert len(looks) == 2


def test_an_address_that_is_given_meanwhile_is_not_given_again(
    client: Client, blind: Callable[..., list[object]]
) -> None:
    image_id = make_image(client.region, client.who).image_id
    (first,) = client("CreateVms", ImageId=image_id)["Vms"]
    blind(vms, "addresses", sees=set())
    (second,) = client("CreateVms", ImageId=image_id)["Vms"]
    assert second["PrivateIp"] != first["PrivateIp"]


def test_an_id_that_is_drawn_twice_is_drawn_anew(region: Region, alice: Principal) -> None:
    drawn = chain(repeat(1, 2), count(2))
    client = Client(replace(region, ids=IdSource(lambda _bits: next(drawn))), alice)
    request = {"SubregionName": region.subregion_name, "Size": 1}
    made = [client("CreateVolume", **request)["Volume"]["VolumeId"] for _ in range(2)]
    assert made == ["vol-00000001", "vol-00000002"]


def test_a_race_that_is_always_lost_ends(client: Client, blind: Callable[..., list[object]]) -> None:
    request = registering(client)
    looks = blind(images, "named", times=RACES_LOST + 1)
    with pytest.raises(Raced):
        client("CreateImage", **request)
    assert len(looks) == RACES_LOST + 1
