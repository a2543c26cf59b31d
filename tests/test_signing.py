"""The region's signing key, and public keys of other regions."""

import stat
from pathlib import Path

import pytest

from souche.signing import BadPublicKey, PublicKey, SigningKey, SigningKeyDamaged, read_public_keys
from souche.vault import Vault


def test_the_signing_key_is_made_once_sealed_and_for_its_owner_only(tmp_path: Path) -> None:
    vault, file = Vault.open(tmp_path / "vault.key"), tmp_path / "signing.key"
    key = SigningKey.open(file, vault)
    assert SigningKey.open(file, vault).public == key.public
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key._private.private_bytes_raw() not in file.read_bytes()
    assert vault.unseal(file.read_bytes())


def test_a_signing_key_of_another_vault_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    SigningKey.open(file, Vault.open(tmp_path / "vault.key"))
    kept = file.read_bytes()
    with pytest.raises(SigningKeyDamaged, match="remove"):
        SigningKey.open(file, Vault.open(tmp_path / "other.key"))
    assert file.read_bytes() == kept


def test_a_public_key_is_read_as_it_is_written() -> None:
    key = SigningKey.generate()
    public = PublicKey.read(key.public.text)
    assert public == key.public
    assert public.text.startswith("ed25519:")
    assert (public.fingerprint[:7], len(public.fingerprint)) == ("SHA256:", 50)
    assert public.has_signed(b"said", key.sign(b"said"))


@pytest.mark.parametrize("signature", ["", "AAAA", "é", "A" * 86 + "==", "A" * 1_000_000])
def test_what_is_no_signature_is_none(signature: str) -> None:
    assert not SigningKey.generate().public.has_signed(b"said", signature)


def test_a_signature_is_for_its_bytes_and_its_key_only() -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    signature = key.sign(b"said")
    assert not key.public.has_signed(b"unsaid", signature)
    assert not other.public.has_signed(b"said", signature)


def test_a_file_of_keys_has_one_a_line() -> None:
    first, second = SigningKey.generate().public, SigningKey.generate().public
    text = f"# whom we trust\n\n{first.text} eu-west-2, from Ann\r\n   {second.text}\n"
    assert read_public_keys(text) == (first, second)


@pytest.mark.parametrize("text", ["ssh-ed25519 AAAA", "ed25519:AAAA", "ed25519:?", "key"])
def test_a_file_with_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadPublicKey, match=text.split()[0][:4]):
        read_public_keys(text)


@pytest.mark.parametrize("first", [0, 1, 0xEC, 0xED, 0xEE])
@pytest.mark.parametrize("sign", [0, 0x80])
def test_a_key_that_nobody_holds_is_refused(first: int, sign: int) -> None:
    middle, last = (b"\xff" * 30, 0x7F) if first > 1 else (bytes(30), 0)
    raw = bytes([first]) + middle + bytes([last | sign])
    with pytest.raises(BadPublicKey):
        PublicKey.read(PublicKey(raw).text)
