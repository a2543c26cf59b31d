"""Public keys in the forms that CreateKeypair accepts: PEM, PKCS8, RFC 4716 and OpenSSH (specification).

Every form is converted to OpenSSH's one line: options and comments in the text never reach a VM.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from souche.value_refusals import BadKey

# The specification's minimum for RSA is 2048 bits. The maximum is OpenSSH's.
RSA_BITS: Final = range(2048, 16384 + 1)

KeyObject: TypeAlias = rsa.RSAPublicKey | ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True)
class PublicKey:
    """A public key: its SSH type, such as `ssh-rsa`, and its SSH encoding."""

    key_type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """MD5 of the encoding in colon-separated hex (RFC 4716, section 4)."""
        return hashlib.md5(self.blob, usedforsecurity=False).digest().hex(":")

    def line(self, comment: str) -> str:
        """OpenSSH's one line, as in authorized_keys."""
        return f"{self.key_type} {base64.b64encode(self.blob).decode()} {comment}"


def parse(text: bytes) -> PublicKey:
    """Read a public key in any of the forms.

    Raises:
        BadKey: it is none, or its kind or size is not supported.
    """
    text = text.strip()
    try:
        if text.startswith(b"-----BEGIN "):
            return _public_key(serialization.load_pem_public_key(text))
        if text.startswith(b"---- BEGIN SSH2 PUBLIC KEY ----"):
            text = _line_of_rfc4716(text)
        return _public_key(serialization.load_ssh_public_key(text))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKey(reason="it is not a public key in PEM, PKCS8, RFC4716 or OpenSSH form.") from error


def generate_rsa() -> tuple[PublicKey, str]:
    """A new RSA key of 2048 bits: its public half, and its private half as PEM (PKCS #1)."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pkcs1 = serialization.PrivateFormat.TraditionalOpenSSL
    pem = private.private_bytes(serialization.Encoding.PEM, pkcs1, serialization.NoEncryption())
    return _public_key(private.public_key()), pem.decode()


def _public_key(key: object) -> PublicKey:
    if not isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
        raise BadKey(reason="supported kinds of key: RSA, Ed25519 and ECDSA.")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size not in RSA_BITS:
        raise BadKey(reason=f"an RSA key should have {RSA_BITS[0]} to {RSA_BITS[-1]} bits.")
    return _encoded(key)


def _encoded(key: KeyObject) -> PublicKey:
    # Raises ValueError for curves that SSH does not have.
    line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    key_type, encoded = line.split()
    return PublicKey(key_type.decode(), base64.b64decode(encoded))


def _line_of_rfc4716(text: bytes) -> bytes:
    """The OpenSSH line of an RFC 4716 file: headers `Tag: value`, `\\` continues one, then base64."""
    lines = iter(text.splitlines()[1:])
    body: list[bytes] = []
    for line in lines:
        if line.startswith(b"----"):
            break
        if b":" not in line:
            body.append(line.strip())
            continue
        while line.endswith(b"\\"):
            line = next(lines, b"")
    return _line_of_blob(b"".join(body))


def _line_of_blob(encoded: bytes) -> bytes:
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise BadKey(reason="its body is not base64.") from error
    length = int.from_bytes(blob[:4], "big")
    return blob[4 : 4 + length] + b" " + encoded
