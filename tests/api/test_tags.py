from typing import Any

import pytest

from souche.api.tags import create_tags, delete_tags, read_tags
from souche.app import keypairs
from souche.app.context.region import Region
from souche.model.accounts import Principal
from tests.support.client import Client, absent, missing, value
from tests.support.region import call
from tests.support.requests import TAGGABLE, make_world

LINE = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmi0rZDIhDlSz+l1Zd3vCqAG/YyeZVX3tHCqKwRNdIR"


@pytest.fixture
def keypair_id(region: Region, alice: Principal) -> str:
    return keypairs.import_public_key(region, alice, "laptop", LINE).keypair_id


def tag(key: str, value: str) -> dict[str, str]:
    return {"Key": key, "Value": value}


def read(region: Region, who: Principal, **request: object) -> dict[str, Any]:
    return dict(read_tags(call(region, who, **request)))


def test_tags_are_written_read_and_taken_off(region: Region, alice: Principal, keypair_id: str) -> None:
    ids = [keypair_id]
    tags = [tag("a", "1"), tag("b", "2"), tag("c", "3"), tag("c", "4")]
    assert create_tags(call(region, alice, ResourceIds=ids, Tags=tags)) == {}
    assert delete_tags(call(region, alice, ResourceIds=ids, Tags=[tag("a", ""), tag("b", "3")])) == {}
    assert read(region, alice) == {
        "Tags": [
            {"Key": "b", "ResourceId": keypair_id, "ResourceType": "keypair", "Value": "2"},
            {"Key": "c", "ResourceId": keypair_id, "ResourceType": "keypair", "Value": "4"},
        ]
    }


def test_tags_go_by_pages(region: Region, alice: Principal, keypair_id: str) -> None:
    keys = [f"key/{number:02}" for number in range(25)]
    tags = [tag(key, "") for key in keys]
    create_tags(call(region, alice, ResourceIds=[keypair_id], Tags=tags))
    seen: list[str] = []
    page = read(region, alice, ResultsPerPage=10)
    seen += [shown["Key"] for shown in page["Tags"]]
    while "NextPageToken" in page:
        page = read(region, alice, ResultsPerPage=10, NextPageToken=page["NextPageToken"])
        seen += [shown["Key"] for shown in page["Tags"]]
    assert seen == keys


def test_tags_are_found_by_resource_type_key_and_value(
    region: Region, alice: Principal, keypair_id: str
) -> None:
    create_tags(call(region, alice, ResourceIds=[keypair_id], Tags=[tag("a", "1"), tag("b", "2")]))
    filters = {"ResourceIds": [keypair_id], "ResourceTypes": ["keypair"], "Keys": ["a"], "Values": ["1", "2"]}
    assert [shown["Key"] for shown in read(region, alice, Filters=filters)["Tags"]] == ["a"]
    assert read(region, alice, Filters={"Keys": ["A"]}) == {"Tags": []}


TYPES = {
    "image": "image",
    "snapshot": "snapshot",
    "volume": "volume",
    "vm": "instance",
    "keypair": "keypair",
    "security_group": "security-group",
    "image_export": "task",
    "snapshot_export": "task",
    "volume_update": "task",
    "public_ip_id": "public-ip",
}


@pytest.mark.parametrize("kind", TAGGABLE)
def test_every_kind_of_resource_is_tagged_and_has_its_type(client: Client, kind: str) -> None:
    resource_id = make_world(client.region, client.who)[kind]
    client("CreateTags", ResourceIds=[resource_id], Tags=[tag("k", "v")])
    found = client("ReadTags", Filters={"ResourceTypes": [TYPES[kind]]})["Tags"]
    assert found == [{"Key": "k", "ResourceId": resource_id, "ResourceType": TYPES[kind], "Value": "v"}]


@pytest.mark.parametrize("action", ["CreateTags", "DeleteTags"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ResourceIds": None}, missing(7007)),
        ({"ResourceIds": []}, missing(7007)),
        ({"Tags": None}, missing(7007)),
        ({"Tags": []}, missing(7007)),
        ({"ResourceIds": ["ami-00000000"]}, absent(5023)),
        ({"ResourceIds": ["ami-1"]}, value(4105)),
        ({"ResourceIds": ["vpc-12345678"]}, absent(5044)),
        ({"ResourceIds": ["image-export-00000000"]}, absent(5058)),
    ],
)
def test_tags_need_resources_that_are_there(
    client: Client, action: str, change: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    known = make_world(client.region, client.who)["image"]
    refusal = client.refusal(action, **{"ResourceIds": [known], "Tags": [tag("k", "v")], **change})
    assert refusal.row == expected
    assert refusal.details
    assert client("ReadTags") == {"Tags": []}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (tag("", "v"), value(4069)),
        (tag("k" * 256, "v"), value(4069)),
        (tag("k", "v" * 256), value(4071)),
        ({"Key": "k"}, missing(7007)),
        ({"Value": "v"}, missing(7007)),
    ],
)
def test_a_key_has_1_to_255_characters_and_a_value_255_at_the_most(
    client: Client, given: dict[str, str], expected: tuple[int, str, str]
) -> None:
    known = make_world(client.region, client.who)["image"]
    assert client.refusal("CreateTags", ResourceIds=[known], Tags=[given]).row == expected
    client("CreateTags", ResourceIds=[known], Tags=[tag("k" * 255, "v" * 255), tag("other", "")])
    assert len(client("ReadTags")["Tags"]) == 2


def test_a_resource_is_found_by_a_tag_as_key_equals_value(client: Client) -> None:
    image_id = make_world(client.region, client.who)["image"]
    client("CreateTags", ResourceIds=[image_id], Tags=[tag("a=b", "c")])
    for text, expected in (("a=b=c", [image_id]), ("a=b", []), ("a=b=", [])):
        found = client("ReadImages", Filters={"Tags": [text]})["Images"]
        assert [image["ImageId"] for image in found] == expected


@pytest.mark.parametrize(
    ("read_action", "update_action", "kind", "permission"),
    [
        ("ReadImages", "UpdateImage", "image", "PermissionsToLaunch"),
        ("ReadSnapshots", "UpdateSnapshot", "snapshot", "PermissionsToCreateVolume"),
    ],
)
def test_what_others_may_see_shows_them_no_tags_and_is_not_found_by_them(
    client: Client, other: Client, read_action: str, update_action: str, kind: str, permission: str
) -> None:
    resource_id = make_world(client.region, client.who)[kind]
    id_name, ids = f"{kind.capitalize()}Id", {f"{kind.capitalize()}Ids": [resource_id]}
    client("CreateTags", ResourceIds=[resource_id], Tags=[tag("k", "v")])
    client(update_action, **{id_name: resource_id, permission: {"Additions": {"GlobalPermission": True}}})

    def shown(who: Client, **filters: list[str]) -> list[list[dict[str, str]]]:
        answer = who(read_action, Filters={**ids, **filters})
        return [each["Tags"] for each in answer[f"{kind.capitalize()}s"]]

    for _ in range(2):  # what one account has read does not become what another reads
        assert shown(client) == [[tag("k", "v")]]
        assert shown(other) == [[]]
    for filters in ({"TagKeys": ["k"]}, {"TagValues": ["v"]}, {"Tags": ["k=v"]}):
        assert shown(client, **filters) == [[tag("k", "v")]]
        assert shown(other, **filters) == []
