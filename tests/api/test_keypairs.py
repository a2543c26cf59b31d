import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from souche.api.keypairs import create_keypair, delete_keypair, read_keypairs
from souche.api.tags import create_tags
from souche.app.context.region import Region
from souche.model.accounts import Principal
from souche.value_refusals import BadKey, MissingParameter
from tests.support.client import Client, absent, conflict, missing, value
from tests.support.region import ManualClock, call, make_account
from tests.support.resources import make_keypair

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


def test_an_imported_keypair_shows_its_type_and_fingerprint_and_no_private_key(
    region: Region, alice: Principal
) -> None:
    keypair = import_keypair(region, alice, "laptop")
    assert keypair == {
        "KeypairFingerprint": "b3:ad:c7:ec:77:6f:a7:3b:dd:b3:49:bd:d3:a9:e3:5b",
        "KeypairId": keypair["KeypairId"],
        "KeypairName": "laptop",
        "KeypairType": "ssh-ed25519",
        "Tags": [],
    }


def test_a_public_key_is_taken_as_it_stands_in_its_file(region: Region, alice: Principal) -> None:
    plain = call(region, alice, KeypairName="plain", PublicKey=LINE.decode())
    shown: Any = create_keypair(plain)["Keypair"]
    assert shown["KeypairFingerprint"] == import_keypair(region, alice, "encoded")["KeypairFingerprint"]


def test_a_pem_is_taken_as_it_stands_in_its_file(region: Region, alice: Principal) -> None:
    pem = serialization.load_ssh_public_key(LINE).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    plain = call(region, alice, KeypairName="pem", PublicKey=pem.decode())
    shown: Any = create_keypair(plain)["Keypair"]
    assert shown["KeypairType"] == "ssh-ed25519"


@pytest.mark.parametrize("encoded", ["?", "ssh-ed25519 AAAA", "é", "AAA"])
def test_a_public_key_that_is_no_base64_is_refused(region: Region, alice: Principal, encoded: str) -> None:
    with pytest.raises(BadKey):
        create_keypair(call(region, alice, KeypairName="laptop", PublicKey=encoded))


def test_keypairs_are_found_by_every_filter(region: Region, alice: Principal) -> None:
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
    for name, selecting in filters.items():
        assert read(region, alice, Filters={name: [selecting]}) == {"Keypairs": [tagged]}
        assert read(region, alice, Filters={name: ["other"]}) == {"Keypairs": []}
    assert read(region, alice, Filters={name: [each] for name, each in filters.items()})["Keypairs"]


def test_pages_of_a_hundred_by_default(region: Region, alice: Principal, clock: ManualClock) -> None:
    for number in range(101):
        clock.advance(milliseconds=number % 2)
        import_keypair(region, alice, f"laptop {number}")
    first = read(region, alice)
    last = read(region, alice, NextPageToken=first["NextPageToken"])
    names = [keypair["KeypairName"] for keypair in first["Keypairs"] + last["Keypairs"]]
    assert (len(first["Keypairs"]), len(set(names))) == (100, 101)
    assert "NextPageToken" not in last


def test_a_keypair_is_deleted_by_id_or_name(region: Region, alice: Principal) -> None:
    keypair = import_keypair(region, alice, "one")
    import_keypair(region, alice, "two")
    assert delete_keypair(call(region, alice, KeypairId=keypair["KeypairId"])) == {}
    assert delete_keypair(call(region, alice, KeypairName="two")) == {}
    assert read(region, alice) == {"Keypairs": []}
    with pytest.raises(MissingParameter):
        delete_keypair(call(region, alice))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, missing(7007)),
        ({"KeypairName": ""}, value(4035)),
        ({"KeypairName": "x" * 256}, value(4035)),
        ({"KeypairName": "é"}, value(4035)),
        ({"KeypairName": "taken"}, conflict(9011)),
        ({"KeypairName": "taken", "PublicKey": ENCODED}, conflict(9011)),
        ({"KeypairName": "new", "PublicKey": "?"}, value(4032)),
        ({"KeypairName": "new", "PublicKey": base64.b64encode(b"hello").decode()}, value(4032)),
    ],
)
def test_a_bad_or_taken_name_and_a_bad_key_are_refused_with_their_codes(
    client: Client, request_: dict[str, str], expected: tuple[int, str, str]
) -> None:
    make_keypair(client.region, client.who, "taken")
    refusal = client.refusal("CreateKeypair", **request_)
    assert refusal.row == expected
    assert refusal.details


def test_a_keypair_that_is_unknown_or_anothers_is_not_deleted(region: Region, client: Client) -> None:
    hidden = make_keypair(region, make_account(region, "bob"), "bobs")
    for request, expected in (
        ({}, missing(7007)),
        ({"KeypairName": "nobody"}, absent(5071)),
        ({"KeypairName": "bobs"}, absent(5071)),
        ({"KeypairId": "key-" + 32 * "0"}, absent(5071)),
        ({"KeypairId": hidden.keypair_id}, absent(5071)),
        ({"KeypairId": "ami-12345678"}, value(4104)),
        ({"KeypairId": "key-12345678"}, value(4105)),
    ):
        assert client.refusal("DeleteKeypair", **request).row == expected
    assert client("ReadKeypairs") == {"Keypairs": []}
