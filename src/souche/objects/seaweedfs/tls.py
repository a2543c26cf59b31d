"""The certificate and the keys that authenticate SeaweedFS's services to each other.

Without certificates, SeaweedFS's gRPC services trust every client, and S3's gRPC service listens on S3's address. So
each region has one key and one self-signed certificate, which every service presents and requires. Chunks are written
and read by HTTP, with a token that master and filer sign.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PARTS: Final = ("MASTER", "VOLUME", "FILER", "S3", "CLIENT")
LIFE: Final = timedelta(days=3650)
NAME: Final = "souche-oos"
TOKEN_SECONDS: Final = 600
"""The default is 10, but a chunk may wait longer on a machine with many guests."""


def environment(folder: Path) -> Mapping[str, str]:
    """The variables that configure SeaweedFS (`weed scaffold -config=security`: keys of security.toml, prefixed with
    WEED_). They hold paths, not secrets."""
    certificate, key = str(folder / "certificate.pem"), str(folder / "key.pem")
    parts = {f"WEED_GRPC_{part}_CERT": certificate for part in PARTS}
    parts |= {f"WEED_GRPC_{part}_KEY": key for part in PARTS}
    return parts | {"WEED_GRPC_CA": certificate}


def signing() -> Mapping[str, str]:
    """Variables with new signing keys for tokens, added to those of `environment`. All parts run in one process, so the
    keys need not outlive it. Only the process's user can read its environment (proc(5), `environ`)."""
    return {
        "WEED_JWT_SIGNING_KEY": secrets.token_hex(32),
        "WEED_JWT_SIGNING_EXPIRES_AFTER_SECONDS": str(TOKEN_SECONDS),
        "WEED_JWT_SIGNING_READ_KEY": secrets.token_hex(32),
        "WEED_JWT_SIGNING_READ_EXPIRES_AFTER_SECONDS": str(TOKEN_SECONDS),
    }


def make_certificate(folder: Path, now: datetime) -> None:
    """Make the key and the certificate if they are missing."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate = folder / "certificate.pem"
    if certificate.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").touch(mode=0o600)
    (folder / "key.pem").write_bytes(written)
    certificate.write_bytes(_self_signed(key, now).public_bytes(serialization.Encoding.PEM))


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - timedelta(days=1))
        .not_valid_after(now + LIFE)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
