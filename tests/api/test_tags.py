from typing import Any

import pytest

from souche.api.tags import create_tags, delete_tags, read_tags
from souche.app import keypairs
from souche.app.region import Region
from souche.model.accounts import Principal
from tests.support.region import call

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


def test_pages(region: Region, alice: Principal, keypair_id: str) -> None:
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


def test_filters(region: Region, alice: Principal, keypair_id: str) -> None:
    create_tags(call(region, alice, ResourceIds=[keypair_id], Tags=[tag("a", "1"), tag("b", "2")]))
    filters = {"ResourceIds": [keypair_id], "ResourceTypes": ["keypair"], "Keys": ["a"], "Values": ["1", "2"]}
    assert [shown["Key"] for shown in read(region, alice, Filters=filters)["Tags"]] == ["a"]
    assert read(region, alice, Filters={"Keys": ["A"]}) == {"Tags": []}
