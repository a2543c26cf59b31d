"""Private keys, recognised by their first bytes."""

import base64
import binascii
import re
from typing import Final

from souche.trust.linux.accounts import sha256

PRIVATE: Final = re.compile(
    rb"-----BEGIN (?:(?:RSA|DSA|EC|OPENSSH|ENCRYPTED|ANY) )?PRIVATE KEY-----|-----BEGIN PGP PRIVATE KEY BLOCK-----"
    rb"|PuTTY-User-Key-File-\d"
)
OPENSSH: Final = re.compile(
    rb"-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----"
)
OPENSSH_MAGIC: Final = b"openssh-key-v1\0"


def is_private_key(content: bytes) -> bool:
    """Whether a file contains a private key."""
    return PRIVATE.search(content) is not None


def public_half(content: bytes) -> str:
    """The fingerprint of a private key: of its public half if the file has that in the clear (OpenSSH's PROTOCOL.key),
    else of the file, which reveals nothing about the key."""
    found = OPENSSH.search(content)
    blob = _public_blob(found[1]) if found else None
    return sha256(content if blob is None else blob)


def _public_blob(encoded: bytes) -> bytes | None:
    """After the magic: cipher, key derivation and its options, each with its length; the number of keys; the key."""
    try:
        raw = base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        return None
    at = len(OPENSSH_MAGIC)
    for _ in range(3):
        at += 4 + int.from_bytes(raw[at : at + 4], "big")
    at += 4
    length = int.from_bytes(raw[at : at + 4], "big")
    blob = raw[at + 4 : at + 4 + length]
    return blob if raw.startswith(OPENSSH_MAGIC) and len(blob) == length > 0 else None
