"""The region's signature: an Ed25519 key in a file of the home, sealed by the vault, and the public keys of others.

A public key is written `ed25519:` and the base64 of its 32 bytes. Its fingerprint is `SHA256:` and the base64 of their
SHA-256, without `=`, as OpenSSH writes them.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from souche.errors import Invalid, SystemFailure
from souche.vault import Vault, VaultKeyWrong, write_once

KIND: Final = "ed25519:"
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64


WEAK: Final = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
"""Points of small order, without their sign bit: they have no private key, and one signature is valid for any text."""


class BadPublicKey(Invalid):
    """'{text}' is not a public key: ed25519: and the base64 of 32 bytes are expected."""


class SigningKeyDamaged(SystemFailure):
    """{path} cannot be opened with vault.key: put both back from the same backup. Or remove {path}: the next start
    makes another key, and regions that require this region's signature need the new public key."""


@dataclass(frozen=True)
class PublicKey:
    """The half of a key that checks signatures."""

    raw: bytes

    @classmethod
    def read(cls, text: str) -> Self:
        """The key that `text` writes.

        Raises:
            BadPublicKey.
        """
        raw = _decoded(text.removeprefix(KIND)) if text.startswith(KIND) else None
        if raw is None or len(raw) != KEY_BYTES or _unsigned(raw) in WEAK:
            raise BadPublicKey(text=text[:80])
        return cls(raw)

    @property
    def text(self) -> str:
        """As files, companions and answers have it."""
        return KIND + base64.b64encode(self.raw).decode()

    @property
    def fingerprint(self) -> str:
        """The short form, for people to compare."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.raw).digest()).decode().rstrip("=")

    def has_signed(self, data: bytes, signature: str) -> bool:
        """Whether `signature` (base64) is this key's for these bytes."""
        raw = _decoded(signature)
        if raw is None or len(raw) != SIGNATURE_BYTES:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(raw, data)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """The private half."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Self:
        """A new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def open(cls, path: Path, vault: Vault) -> Self:
        """The key in `path`; it is made when there is none.

        Raises:
            SigningKeyDamaged.
        """
        if not path.exists():
            secret = base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()
            write_once(path, vault.seal(secret))
        try:
            raw = _decoded(vault.unseal(path.read_bytes()))
            return cls(Ed25519PrivateKey.from_private_bytes(raw or b""))
        except (VaultKeyWrong, ValueError) as error:
            raise SigningKeyDamaged(path=path) from error

    def sign(self, data: bytes) -> str:
        """The signature, in base64."""
        return base64.b64encode(self._private.sign(data)).decode()


def read_public_keys(text: str) -> tuple[PublicKey, ...]:
    """The keys in a file: one per line, optionally followed by a note. Empty lines, and those that begin with `#`, are
    ignored.

    Raises:
        BadPublicKey.
    """
    lines = (line.split() for line in text.splitlines())
    return tuple(PublicKey.read(words[0]) for words in lines if words and not words[0].startswith("#"))


def _unsigned(point: bytes) -> bytes:
    return point[:-1] + bytes([point[-1] & 0x7F])


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
