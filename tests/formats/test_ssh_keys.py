"""Public keys in every form, against ssh-keygen, which did not come from us."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from souche.formats import ssh_keys
from souche.value_refusals import BadKey

KINDS = {
    "rsa-2048": ("ssh-rsa", ["-t", "rsa", "-b", "2048"]),
    "ed25519": ("ssh-ed25519", ["-t", "ed25519"]),
    "ecdsa-256": ("ecdsa-sha2-nistp256", ["-t", "ecdsa", "-b", "256"]),
    "ecdsa-384": ("ecdsa-sha2-nistp384", ["-t", "ecdsa", "-b", "384"]),
    "ecdsa-521": ("ecdsa-sha2-nistp521", ["-t", "ecdsa", "-b", "521"]),
}


def keygen(*arguments: str) -> str:
    done = subprocess.run(["ssh-keygen", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The SSH type and the file of the public half of a key that ssh-keygen made."""
    key_type, arguments = KINDS[request.param]
    path = tmp_path_factory.mktemp("keys") / "key"
    keygen("-q", "-N", "", "-C", "a comment", "-f", str(path), *arguments)
    return key_type, path.with_suffix(".pub")


def test_a_key_in_the_form_of_openssh_has_its_type_and_md5_fingerprint(made: tuple[str, Path]) -> None:
    key_type, path = made
    key = ssh_keys.parse(path.read_bytes())
    assert key.key_type == key_type
    assert key.line("a comment") == path.read_text().strip()
    assert keygen("-l", "-E", "md5", "-f", str(path)).split()[1] == f"MD5:{key.fingerprint}"


@pytest.mark.parametrize("form", ["RFC4716", "PKCS8", "PEM"])
def test_the_other_forms_say_the_same(made: tuple[str, Path], form: str) -> None:
    key_type, path = made
    if key_type == "ssh-ed25519" and form != "RFC4716":
        text = pkcs8_of(path)  # ssh-keygen writes no Ed25519 key in these two
    else:
        text = keygen("-e", "-m", form, "-f", str(path)).encode()
    assert ssh_keys.parse(text) == ssh_keys.parse(path.read_bytes())
    assert ssh_keys.parse(text.replace(b"\n", b"\r\n")) == ssh_keys.parse(path.read_bytes())


def pkcs8_of(path: Path) -> bytes:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_ssh_public_key(path.read_bytes())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form)


def test_a_continued_header_of_rfc4716(made: tuple[str, Path]) -> None:
    _, path = made
    first, rest = keygen("-e", "-m", "RFC4716", "-f", str(path)).split("\n", 1)
    text = "\n".join((first, 'Subject: "this goes \\', 'on: here"', rest))
    assert ssh_keys.parse(text.encode()) == ssh_keys.parse(path.read_bytes())


@pytest.mark.parametrize("size", ["1024", "2047"])
def test_small_rsa_keys_are_refused(tmp_path: Path, size: str) -> None:
    keygen("-q", "-N", "", "-f", str(tmp_path / "key"), "-t", "rsa", "-b", size)
    with pytest.raises(BadKey, match="2048 to 16384 bits"):
        ssh_keys.parse((tmp_path / "key.pub").read_bytes())


def test_a_private_key_is_refused(tmp_path: Path) -> None:
    keygen("-q", "-N", "", "-f", str(tmp_path / "key"), "-t", "ed25519")
    with pytest.raises(BadKey):
        ssh_keys.parse((tmp_path / "key").read_bytes())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"ssh-rsa",
        b"ssh-ed25519 AAAA",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        b"---- BEGIN SSH2 PUBLIC KEY ----\n?\n---- END SSH2 PUBLIC KEY ----",
        b"---- BEGIN SSH2 PUBLIC KEY ----",
        b'command="/bin/sh" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmi0rZDIhDlSz+l1Zd3vCqAG/YyeZVX3tHCqKwRNdIR',
    ],
)
def test_what_is_no_key_is_refused(text: bytes) -> None:
    with pytest.raises(BadKey):
        ssh_keys.parse(text)


@settings(deadline=None)
@given(st.sampled_from([b"", b"ssh-rsa ", b"---- BEGIN SSH2 PUBLIC KEY ----\n", b"-----BEGIN "]), st.binary())
def test_nothing_but_bad_key_is_raised(start: bytes, rest: bytes) -> None:
    with pytest.raises(BadKey):
        ssh_keys.parse(start + rest)
