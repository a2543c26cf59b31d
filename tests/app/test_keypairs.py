import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from souche.app import keypairs, tags
from souche.app.context.region import Region
from souche.model.accounts import Principal
from souche.model.keypairs import Keypair
from souche.model.query import Condition, Query
from souche.refusals import KeypairNameTaken, NoSuchKeypair
from souche.value_refusals import BadKey, BadKeypairName, MalformedId, WrongIdPrefix

ED25519 = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmi0rZDIhDlSz+l1Zd3vCqAG/YyeZVX3tHCqKwRNdIR someone@else"


def test_a_created_pair_is_rsa_of_2048_bits_and_fits_together(region: Region, alice: Principal) -> None:
    keypair, private_pem = keypairs.create(region, alice, "my key")
    private = serialization.load_pem_private_key(private_pem.encode(), None)
    public = private.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    assert private_pem.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert keypair.public_key == f"{public.decode()} my key"
    assert keypair.key_type == "ssh-rsa"
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size == 2048


def test_an_imported_key_is_kept_with_the_pairs_name(region: Region, alice: Principal) -> None:
    keypair = keypairs.import_public_key(region, alice, "laptop", ED25519)
    assert keypair.public_key == ED25519.decode().replace("someone@else", "laptop")
    assert keypairs.find(region, alice, Query()).resources == [keypair]


@pytest.mark.parametrize("name", [" spaces stay ", "a+b", "x" * 255, "~"])
def test_a_name_has_1_to_255_printable_ascii_characters_kept_as_they_are(
    region: Region, alice: Principal, name: str
) -> None:
    assert keypairs.import_public_key(region, alice, name, ED25519).name == name


@pytest.mark.parametrize("name", ["", "x" * 256, "line\nbreak", "trailing\n", "é", "\x7f"])
def test_a_name_of_another_length_or_with_other_characters_is_refused(
    region: Region, alice: Principal, name: str
) -> None:
    with pytest.raises(BadKeypairName):
        keypairs.import_public_key(region, alice, name, ED25519)


def test_a_name_is_unique_in_its_account_only(region: Region, alice: Principal, bob: Principal) -> None:
    keypairs.import_public_key(region, alice, "laptop", ED25519)
    keypairs.import_public_key(region, bob, "laptop", ED25519)
    with pytest.raises(KeypairNameTaken):
        keypairs.import_public_key(region, alice, "laptop", ED25519)


def test_what_is_no_key_is_refused(region: Region, alice: Principal) -> None:
    with pytest.raises(BadKey):
        keypairs.import_public_key(region, alice, "laptop", b"hello")


def test_a_page_has_the_tags(region: Region, alice: Principal) -> None:
    keypair = keypairs.import_public_key(region, alice, "laptop", ED25519)
    tags.put(region, alice, [keypair.keypair_id], {"k": "v"})
    keypairs.import_public_key(region, alice, "other", ED25519)
    found = keypairs.find(region, alice, Query((Condition("tag", ["k=v"]),)))
    assert [tag.value for tag in found.tags[keypair.keypair_id]] == ["v"]
    assert found.resources == [keypair]


@pytest.fixture
def keypair(region: Region, alice: Principal) -> Keypair:
    return keypairs.import_public_key(region, alice, "laptop", ED25519)


def test_delete_by_id_takes_the_tags_along(region: Region, alice: Principal, keypair: Keypair) -> None:
    tags.put(region, alice, [keypair.keypair_id], {"k": "v"})
    keypairs.delete_by_id(region, alice, keypair.keypair_id)
    assert tags.find(region, alice, Query()) == ([], False)
    with pytest.raises(NoSuchKeypair):
        keypairs.delete_by_id(region, alice, keypair.keypair_id)


def test_a_keypair_is_deleted_by_its_name_once(region: Region, alice: Principal, keypair: Keypair) -> None:
    keypairs.delete_by_name(region, alice, keypair.name)
    with pytest.raises(NoSuchKeypair, match="'laptop'"):
        keypairs.delete_by_name(region, alice, keypair.name)


def test_a_pair_of_another_account_is_unknown(region: Region, bob: Principal, keypair: Keypair) -> None:
    with pytest.raises(NoSuchKeypair):
        keypairs.delete_by_id(region, bob, keypair.keypair_id)
    with pytest.raises(NoSuchKeypair):
        keypairs.delete_by_name(region, bob, keypair.name)
    assert keypairs.find(region, bob, Query()).resources == []


def test_an_id_with_another_prefix_or_number_of_digits_is_refused(region: Region, alice: Principal) -> None:
    with pytest.raises(WrongIdPrefix):
        keypairs.delete_by_id(region, alice, "ami-12345678")
    with pytest.raises(MalformedId):
        keypairs.delete_by_id(region, alice, "key-12345678")
