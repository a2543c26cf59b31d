"""TLS by the settings: with the operator's certificate, or with the region's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from souche.clock import SystemClock
from souche.config import BadSetting, Settings
from souche.home import Home
from souche.http.certificates import CERTIFICATE_FLAG, KEY_FLAG, CertificatePair, Tls
from souche.main.self_signed import SelfSigned

FLAG: Final = "--tls-self-signed"
EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104  not a name of anything


@dataclass(frozen=True)
class ServedTls:
    """The certificate in use, and the file with which clients can trust it (None: they trust it already)."""

    tls: Tls
    authority: Path | None

    @property
    def trusted(self) -> Path:
        """The certificates that the region's own requests to its object store trust, in addition to the system's
        authorities."""
        return self.authority or self.tls.pair.certificate


def check(settings: Settings) -> None:
    """Refuse wrong settings of TLS.

    Raises:
        BadSetting.
    """
    if bool(settings.tls_cert) != bool(settings.tls_key):
        given, missing = (CERTIFICATE_FLAG, KEY_FLAG) if settings.tls_cert else (KEY_FLAG, CERTIFICATE_FLAG)
        raise BadSetting(flag=missing, reason=f"it belongs to {given}: give both, or neither")
    if settings.tls_cert and settings.tls_self_signed:
        raise BadSetting(flag=FLAG, reason=f"either this or {CERTIFICATE_FLAG} is expected")
    if settings.tls_cert:
        Tls(_pair(settings), SystemClock())


def open_tls(settings: Settings, home: Home, *more_names: str) -> ServedTls | None:
    """TLS for the servers of this process, renewed when its files change; None: they speak plain HTTP. `more_names`:
    more names of this machine for the region's own certificate.

    Raises:
        BadSetting.
    """
    if settings.tls_self_signed:
        own = SelfSigned(home.tls, [*_names(settings), *more_names], SystemClock())
        served = ServedTls(Tls(own.pair, SystemClock(), own.renew), own.authority)
    elif settings.tls_cert:
        served = ServedTls(Tls(_pair(settings), SystemClock()), None)
    else:
        return None
    served.tls.keep_looking()
    return served


def _pair(settings: Settings) -> CertificatePair:
    return CertificatePair(Path(settings.tls_cert), Path(settings.tls_key))


def _names(settings: Settings) -> list[str]:
    """The names under which clients reach the API and the object store, according to the settings."""
    endpoints = (settings.endpoint, settings.oos_endpoint if settings.oos_address else "")
    addresses = (settings.address, settings.oos_address or ("", 0))
    hosts = [*(urlsplit(each).hostname or "" for each in endpoints), *(host for host, _ in addresses)]
    return [host for host in hosts if host and host not in EVERYWHERE]
