"""The settings of one run of the server."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from souche.config.values import BadSetting, host_and_port, letters_of
from souche.room import GIB

MOST_RESERVE_GIB: Final = 1024**2
MOST_TRASH_HOURS: Final = 100 * 365 * 24


@dataclass(frozen=True)
class Settings:
    """The value of each setting; the derived values are properties."""

    home: Path
    ephemeral: bool
    database: str
    database_file: str
    listen: str
    tls_cert: str
    tls_key: str
    tls_self_signed: bool
    metrics_listen: str
    region: str
    subregions: str
    compute: Literal["libvirt", "simulated"]
    endpoint: str
    guest_network: str
    guest_nat: bool
    guest_services: bool
    public_ips: str
    allow_import: tuple[str, ...]
    oos_listen: str
    oos_endpoint: str
    oos_key_file: str
    export_endpoint: str
    reserve_gib: float
    trash_hours: float
    share_gate: Literal["off", "public", "all"]
    require_signed: str
    allow_faults: bool
    audit_log: str
    audit_log_mib: float
    audit_log_files: int
    log_level: str

    @property
    def scheme(self) -> Literal["http", "https"]:
        """The scheme of the API and the embedded object store."""
        return "https" if self.tls_cert or self.tls_self_signed else "http"

    @property
    def subregion_letters(self) -> tuple[str, ...]:
        """The letters of the subregions, the default one first.

        Raises:
            BadSetting: not letters from a to z, each once.
        """
        return letters_of(self.subregions)

    @property
    def trash_kept(self) -> timedelta:
        """How long discarded disks are kept.

        Raises:
            BadSetting: not a number of hours up to a hundred years.
        """
        if not 0 <= self.trash_hours <= MOST_TRASH_HOURS:
            reason = f"0 to {MOST_TRASH_HOURS} hours are expected, not {self.trash_hours:g}"
            raise BadSetting(flag="--trash-hours", reason=reason)
        return timedelta(hours=self.trash_hours)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on.

        Raises:
            BadSetting: not HOST:PORT.
        """
        return host_and_port("--listen", self.listen)

    @property
    def oos_address(self) -> tuple[str, int] | None:
        """Host and port for the embedded object store to listen on; None: there is none.

        Raises:
            BadSetting: not HOST:PORT.
        """
        return host_and_port("--oos-listen", self.oos_listen) if self.oos_listen else None

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Host and port for /metrics; None: nowhere.

        Raises:
            BadSetting: not HOST:PORT.
        """
        return host_and_port("--metrics-listen", self.metrics_listen) if self.metrics_listen else None

    @property
    def reserve_bytes(self) -> int:
        """The space reserved for the region's records.

        Raises:
            BadSetting: a negative size, or no number.
        """
        if not 0 <= self.reserve_gib < MOST_RESERVE_GIB:
            raise BadSetting(flag="--reserve-gib", reason=f"0 to {MOST_RESERVE_GIB} is expected")
        return int(self.reserve_gib * GIB)

    @property
    def import_endpoints(self) -> list[tuple[str, int]]:
        """Hosts and ports to import from, with any address.

        Raises:
            BadSetting: one is not HOST:PORT.
        """
        return [host_and_port("--allow-import", each) for each in self.allow_import]
