"""A certificate for a first try of TLS (`--tls-self-signed`).

The region has its own authority, made once and kept in HOME/tls, and a certificate by it, which is renewed when it
needs another name or ends soon. Clients trust the authority's file, `ca.pem`, which never changes.
"""

import fcntl
import ipaddress
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from souche.clock import Clock
from souche.home import AUTHORITY, write_whole
from souche.http.certificates import CertificatePair

AUTHORITY_LIFE: Final = timedelta(days=3650)
LIFE: Final = timedelta(days=365)
RENEWED: Final = timedelta(days=30)
"""how long before its expiry the certificate is renewed"""
CLOCKS: Final = timedelta(days=1)
"""how far clients' clocks may be behind"""
ALWAYS: Final = ("localhost", "127.0.0.1", "::1")
READABLE: Final = 0o644
PRIVATE: Final = 0o600
USES: Final = ("digital_signature", "key_cert_sign", "crl_sign")
NO_USES: Final = (
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "encipher_only",
    "decipher_only",
)


class SelfSigned:
    """The files in a folder. `renew` makes missing ones and keeps them valid."""

    def __init__(self, folder: Path, names: Iterable[str], clock: Clock) -> None:
        """`names`: host names and IP addresses under which clients reach this machine. Names of the current certificate
        are kept, because another process of the region may need them."""
        self._folder = folder
        self._names = {*ALWAYS, socket.gethostname(), *names}
        self._clock = clock
        self._renewal: datetime | None = None
        self.authority: Final = folder / AUTHORITY
        self.pair: Final = CertificatePair(folder / "certificate.pem", folder / "key.pem")
        self.renew()

    def renew(self) -> None:
        """Make missing files, and a new certificate if it ends soon."""
        now = self._clock.now().astimezone(UTC)
        if self._renewal is not None and now < self._renewal:
            return
        with self._locked():
            authority, key = self._open_authority(now)
            known = self._known(authority)
            has = _names_of(known) if known else set()
            if known is None or not self._names <= has or now >= known.not_valid_after_utc - RENEWED:
                known = self._issue(authority, key, self._names | has, now)
            for file in (self.authority, self.pair.certificate):
                file.chmod(READABLE)  # whatever the umask is
            self._renewal = known.not_valid_after_utc - RENEWED

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the folder against the region's other processes."""
        self._folder.mkdir(exist_ok=True)
        self._folder.chmod(0o755)  # clients on this machine read the authority's certificate
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, PRIVATE)
        with os.fdopen(descriptor, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _open_authority(self, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        file = self._folder / "ca-key.pem"
        if not self.authority.exists() or not file.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            _write_key(file, key)
            write_whole(self.authority, _pem(_make_authority(key, now)), READABLE)
        made = serialization.load_pem_private_key(file.read_bytes(), None)
        assert isinstance(made, ec.EllipticCurvePrivateKey)
        return x509.load_pem_x509_certificate(self.authority.read_bytes()), made

    def _known(self, authority: x509.Certificate) -> x509.Certificate | None:
        """The present certificate, if it is by this authority and its key exists: the key is written first."""
        try:
            known = x509.load_pem_x509_certificate(self.pair.certificate.read_bytes())
            key = serialization.load_pem_private_key(self.pair.key.read_bytes(), None)
            known.verify_directly_issued_by(authority)
        except Exception:  # missing, damaged, or another authority's: it is made again
            return None
        return known if known.public_key() == key.public_key() else None

    def _issue(
        self, authority: x509.Certificate, signer: ec.EllipticCurvePrivateKey, names: set[str], now: datetime
    ) -> x509.Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder("souche", key, now, LIFE)
            .issuer_name(authority.subject)
            .add_extension(
                x509.SubjectAlternativeName([_general(name) for name in sorted(names)]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
            )
        )
        certificate = builder.sign(signer, hashes.SHA256())
        _write_key(self.pair.key, key)
        write_whole(self.pair.certificate, _pem(certificate), READABLE)
        return certificate


def _make_authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    usage = x509.KeyUsage(**dict.fromkeys(USES, True), **dict.fromkeys(NO_USES, False))
    name = f"Souche on {socket.gethostname()}"[:64]
    builder = (
        _builder(name, key, now, AUTHORITY_LIFE)
        .issuer_name(_name(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return builder.sign(key, hashes.SHA256())


def _builder(
    name: str, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(each.value) for each in names}


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_whole(file, written.decode(), PRIVATE)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
