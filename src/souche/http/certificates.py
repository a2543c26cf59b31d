"""The certificate of a server: read from two files, checked, and read again when they change."""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from souche import small_file
from souche.clock import Clock
from souche.config import BadSetting
from souche.small_file import TooLarge

CERTIFICATE_FLAG: Final = "--tls-cert"
KEY_FLAG: Final = "--tls-key"
LOOK_SECONDS: Final = 1.0
WARNING: Final = timedelta(days=14)
"""how long before a certificate expires the log warns"""
PROTOCOLS: Final = ["http/1.1"]
"""Clients in Go and browsers also offer HTTP/2."""

_Signs: TypeAlias = tuple[tuple[int, int, int], ...]
"""ctime (ns), inode and size of each file"""

log = structlog.get_logger()


@dataclass(frozen=True)
class CertificatePair:
    """A certificate (PEM, with those of the authorities between it and a root) and its private key."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class _Loaded:
    context: ssl.SSLContext
    not_after: datetime
    fingerprint: str


class Tls:
    """What servers need for TLS. A new connection gets the certificate that is in the files then. While the files are
    not valid, the former one stays."""

    def __init__(self, pair: CertificatePair, clock: Clock, renew: Callable[[], None] = lambda: None) -> None:
        """`renew` is called before each look at the files, and may write them.

        Raises:
            BadSetting: the files have no valid certificate with its key.
        """
        self.pair: Final = pair
        self._clock = clock
        self._renew = renew
        self._signs = _signs(pair)
        self._refused: _Signs | None = None
        self._loaded = _load(pair, clock.now())
        self._warned: datetime | None = None
        self.context: Final = _context(pair)
        """of every server, for its lifetime; each handshake uses the newest certificate"""
        self.context.sni_callback = self._pass_on
        self._warn()

    @property
    def not_after(self) -> datetime:
        """The end of the certificate."""
        return self._loaded.not_after

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as openssl and browsers show it."""
        return self._loaded.fingerprint

    def look(self) -> None:
        """Read the files again if they have changed."""
        self._renew()
        signs = _signs(self.pair)
        if signs == self._signs:
            self._warn()
            return
        try:
            self._loaded = _load(self.pair, self._clock.now())
        except BadSetting as error:  # often half of a new pair, or a certificate that becomes valid soon
            if signs != self._refused:
                log.warning("the changed TLS certificate is not used", reason=str(error))
            self._refused = signs
            self._warn()
            return
        self._signs, self._refused = signs, None
        log.info("TLS certificate read again", fingerprint=self.fingerprint, until=str(self.not_after))
        self._warn()

    def keep_looking(self) -> None:
        """Look at the files every second, in a thread, until the process ends."""
        threading.Thread(target=self._look_for_ever, name="tls", daemon=True).start()

    def _look_for_ever(self) -> None:
        pause = threading.Event()
        while not pause.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception:
                log.exception("looking at the TLS certificate failed")

    def _pass_on(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called by OpenSSL in each handshake, whether the client names a server or not."""
        connection.context = self._loaded.context

    def _warn(self) -> None:
        """Log once that a certificate ends soon."""
        if self._warned != self.not_after and self._clock.now() > self.not_after - WARNING:
            self._warned = self.not_after
            log.warning("the TLS certificate ends soon", until=str(self.not_after))


def _load(pair: CertificatePair, now: datetime) -> _Loaded:
    certificate = _read_certificate(pair.certificate)
    _check_dates(pair.certificate, certificate, now)
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return _Loaded(_context(pair), certificate.not_valid_after_utc, fingerprint)


def _read_certificate(file: Path) -> x509.Certificate:
    """The first certificate of a file, the server's own."""
    try:
        return x509.load_pem_x509_certificates(_read(CERTIFICATE_FLAG, file))[0]
    except ValueError as error:
        raise BadSetting(flag=CERTIFICATE_FLAG, reason=f"{file} has no certificate in PEM") from error


def _check_dates(file: Path, certificate: x509.Certificate, now: datetime) -> None:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    now = now.astimezone(UTC)
    if now > last:
        reason = f"the certificate in {file} has expired: it was valid until {last:%Y-%m-%d %H:%M} UTC"
        raise BadSetting(flag=CERTIFICATE_FLAG, reason=reason)
    if now < first:
        reason = f"the certificate in {file} is not valid before {first:%Y-%m-%d %H:%M} UTC"
        raise BadSetting(flag=CERTIFICATE_FLAG, reason=reason)


def _context(pair: CertificatePair) -> ssl.SSLContext:
    """A server's context: TLS 1.2 and 1.3."""
    if b"PRIVATE KEY-----" not in _read(KEY_FLAG, pair.key):
        raise BadSetting(flag=KEY_FLAG, reason=f"{pair.key} has no private key in PEM")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(PROTOCOLS)
    try:
        context.load_cert_chain(pair.certificate, pair.key, password=_no_password)
    except ssl.SSLError as error:
        raise BadSetting(flag=KEY_FLAG, reason=_reason(pair, error)) from error
    except OSError as error:
        raise BadSetting(flag=KEY_FLAG, reason=f"{pair.key}: {error.strerror}") from error
    return context


def _no_password() -> bytes:
    """For a key with a passphrase; without this OpenSSL would ask the terminal."""
    return b""


def _reason(pair: CertificatePair, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the key in {pair.key} is not that of the certificate in {pair.certificate}"
    if b"ENCRYPTED" in _read(KEY_FLAG, pair.key):
        return f"the key in {pair.key} has a passphrase: write it without one, readable by its owner only"
    return f"{pair.key} has no private key that can be used with {pair.certificate} ({error.reason})"


def _read(flag: str, file: Path) -> bytes:
    try:
        return small_file.read(file)
    except OSError as error:
        raise BadSetting(flag=flag, reason=f"{file}: {error.strerror}") from error
    except TooLarge as error:
        raise BadSetting(flag=flag, reason=str(error)) from error


def _signs(pair: CertificatePair) -> _Signs:
    """Values that change when one of the files does; links are followed."""
    return tuple(_sign(each) for each in (pair.certificate, pair.key))


def _sign(file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except OSError:
        return (0, 0, 0)
    return status.st_ctime_ns, status.st_ino, status.st_size
