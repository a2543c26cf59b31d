import base64
from typing import Any

import pytest

from souche.api.keypairs import create_keypair, delete_keypair, read_keypairs
from souche.api.tags import create_tags
from souche.app.region import Region
from souche.model.accounts import Principal
from souche.refusals import BadKey, MissingParameter
from tests.support.region import ManualClock, call

LINE = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmi0rZDIhDlSz+l1Zd3vCqAG/YyeZVX3tHCqKwRNdIR me@here\n"
ENCODED = base64.encodebytes(LINE).decode()


def import_keypair(region: Region, who: Principal, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = dict(create_keypair(call(region, who, KeypairName=name, PublicKey=ENCODED)))
    keypair: dict[str, Any] = answer["Keypair"]
    return keypair


def read(region: Region, who: Principal, **request: object) -> dict[str, Any]:
    return dict(read_keypairs(call(region, who, **request)))


def test_the_private_key_is_shown_once(region: Region, alice: Principal) -> None:
    answer: Any = create_keypair(call(region, alice, KeypairName="new"))["Keypair"]
    assert answer.pop("PrivateKey").startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert read(region, alice) == {"Keypairs": [answer]}


def test_an_imported_keypair(region: Region, alice: Principal) -> None:
    keypair = import_keypair(region, alice, "laptop")
    assert keypair == {
        "KeypairFingerprint": "b3:ad:c7:ec:77:6f:a7:3b:dd:b3:49:bd:d3:a9:e3:5b",
        "KeypairId": keypair["KeypairId"],
        "KeypairName": "laptop",
        "KeypairType": "ssh-ed25519",
        "Tags": [],
    }


@pytest.mark.parametrize("encoded", ["?", "ssh-ed25519 AAAA", "é", "AAA"])
def test_what_is_no_base64_is_refused(region: Region, alice: Principal, encoded: str) -> None:
    with pytest.raises(BadKey):
        create_keypair(call(region, alice, KeypairName="laptop", PublicKey=encoded))


def test_every_filter(region: Region, alice: Principal) -> None:
    keypair = import_keypair(region, alice, "laptop")
    create_tags(call(region, alice, ResourceIds=[keypair["KeypairId"]], Tags=[{"Key": "k", "Value": "v"}]))
    filters = {
        "KeypairFingerprints": keypair["KeypairFingerprint"],
        "KeypairIds": keypair["KeypairId"],
        "KeypairNames": "laptop",
        "KeypairTypes": "ssh-ed25519",
        "TagKeys": "k",
        "TagValues": "v",
        "Tags": "k=v",
    }
    tagged = {**keypair, "Tags": [{"Key": "k", "Value": "v"}]}
    for name, value in filters.items():
        assert read(region, alice, Filters={name: [value]}) == {"Keypairs": [tagged]}
        assert read(region, alice, Filters={name: ["other"]}) == {"Keypairs": []}
    assert read(region, alice, Filters={name: [value] for name, value in filters.items()})["Keypairs"]


def test_pages_of_a_hundred_by_default(region: Region, alice: Principal, clock: ManualClock) -> None:
    for number in range(101):
        clock.advance(milliseconds=number % 2)
        import_keypair(region, alice, f"laptop {number}")
    first = read(region, alice)
    last = read(region, alice, NextPageToken=first["NextPageToken"])
    names = [keypair["KeypairName"] for keypair in first["Keypairs"] + last["Keypairs"]]
    assert (len(first["Keypairs"]), len(set(names))) == (100, 101)
    assert "NextPageToken" not in last


def test_delete_by_id_or_name(region: Region, alice: Principal) -> None:
    keypair = import_keypair(region, alice, "one")
    import_keypair(region, alice, "two")
    assert delete_keypair(call(region, alice, KeypairId=keypair["KeypairId"])) == {}
    assert delete_keypair(call(region, alice, KeypairName="two")) == {}
    assert read(region, alice) == {"Keypairs": []}
    with pytest.raises(MissingParameter):
        delete_keypair(call(region, alice))
