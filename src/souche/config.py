"""Every setting, declared once: its flag, its environment variable, its key in a file, its default, its help. The
command line, the settings record and docs/settings.md are made from this table."""

import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from souche.errors import Invalid
from souche.room import GIB

FILES: Final = ("database_file", "oos_key_file", "require_signed", "tls_cert", "tls_key")
"""settings that name a file; `home` names a folder"""
MOST_RESERVE_GIB: Final = 1024**2


class BadSetting(Invalid):
    """The setting {flag} is not valid: {reason}"""


ANY_PORT: Final = "127.0.0.1:0"
MOST_TRASH_HOURS: Final = 100 * 365 * 24


@dataclass(frozen=True)
class Setting:
    """One setting. `default` None: it must be given, or is worked out (`help` says how). A `repeated` one may be
    given several times; its variable has commas between."""

    key: str
    kind: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    repeated: bool = False

    @property
    def flag(self) -> str:
        return f"--{self.key.replace('_', '-')}"

    @property
    def variable(self) -> str:
        return f"SOUCHE_{self.key.upper()}"


SETTINGS: Final = (
    Setting("home", Path, None, "Folder that holds everything of the region: database, disks, keys."),
    Setting(
        "ephemeral",
        bool,
        False,  # noqa: FBT003
        "HOME is made, and removed when the server ends; it must not exist. Without --home: a folder with a name of its"
        " own in TMPDIR. Guests of libvirt would stay: with --compute simulated only.",
    ),
    Setting(
        "database",
        str,
        "",
        "URL of the PostgreSQL database that has the region's records, postgresql://USER@HOST/NAME, without a password"
        " (see --database-file). Default: SQLite in HOME. docs/databases.md.",
    ),
    Setting(
        "database_file",
        str,
        "",
        "File with that URL in its one line, password included, which nobody else may read.",
    ),
    Setting("listen", str, "127.0.0.1:8808", "HOST:PORT where the API answers."),
    Setting(
        "tls_cert",
        str,
        "",
        "File with the certificate (PEM, with those between it and a root) that the API and the embedded object store"
        " show: both speak https then, and nothing else. Read again when it changes.",
    ),
    Setting("tls_key", str, "", "File with the private key of --tls-cert (PEM, without a passphrase)."),
    Setting(
        "tls_self_signed",
        bool,
        False,  # noqa: FBT003
        "The API and the embedded object store speak https with a certificate by an authority of the region's own, made"
        " once and kept in HOME/tls: clients trust HOME/tls/ca.pem. For a first try.",
    ),
    Setting(
        "metrics_listen",
        str,
        "127.0.0.1:8810",
        "HOST:PORT where GET /metrics answers, in Prometheus' format, without TLS and without a signature. Empty:"
        " nowhere. Port 0: any free one; so it is without this setting where --listen has port 0, or with --ephemeral."
        " `souche api` answers it only if the setting is given.",
    ),
    Setting("region", str, "souche-1", "Name of the region. Its subregions are this name with a letter."),
    Setting(
        "subregions",
        str,
        "a,b",
        "Letters of the region's subregions, with commas between; the first is the default of launches. All are on"
        " this one host. What is in a subregion stays there when its letter is no longer named.",
    ),
    Setting(
        "compute",
        str,
        "libvirt",
        "libvirt: real guests, needs root. simulated: real disks, pretended guests, needs neither.",
        ("libvirt", "simulated"),
    ),
    Setting(
        "endpoint",
        str,
        "",
        "URL under which clients reach the API, as ReadRegions shows it. Default: http:// (https:// with TLS) and the"
        " address that it listens on.",
    ),
    Setting(
        "guest_network",
        str,
        "",
        "IPv4 network (CIDR) of the guests, on a bridge of its own, without a way out. Default: the one"
        " that the region has already; at its first start a /20 in 10.128.0.0/9, chosen by"
        " the path of HOME, beside those that this host has routes for.",
    ),
    Setting(
        "guest_nat",
        bool,
        False,  # noqa: FBT003
        "Guests reach whatever this host reaches, as if it came from the host, and its resolver; link-local addresses"
        " never. The host forwards packets then (net.ipv4.ip_forward). Nothing begins from outside.",
    ),
    Setting(
        "guest_services",
        bool,
        False,  # noqa: FBT003
        "Guests reach the API and the embedded object store at the address of their bridge (gateway-ipv4 in their"
        " metadata), by the same ports as others.",
    ),
    Setting(
        "public_ips",
        str,
        "",
        "IPv4 network (CIDR) that public IPs (CreatePublicIp) are from. They lead to guests on this host only: nothing"
        " for them leaves it. Default: the one that the region has already; at its first start a /24 in 198.19.0.0/16,"
        " chosen by the path of HOME, beside those that this host has routes for.",
    ),
    Setting(
        "allow_import",
        str,
        (),
        "HOST:PORT that images and snapshots may be imported from although its address is a private one, as URLs"
        " name it.",
        repeated=True,
    ),
    Setting(
        "oos_listen",
        str,
        "127.0.0.1:8809",
        "HOST:PORT where the embedded object store (OOS) answers. Empty: none is run.",
    ),
    Setting(
        "oos_endpoint",
        str,
        "",
        "URL under which clients reach the object store; default: http:// (https:// with TLS) and the address that it"
        " listens on. With an empty --oos-listen: the S3 service that takes its place.",
    ),
    Setting(
        "oos_key_file",
        str,
        "",
        "File with the region's own key to the S3 service at --oos-endpoint: access key ID and secret key, a line"
        " each.",
    ),
    Setting(
        "export_endpoint",
        str,
        "",
        "URL of the S3 service that exports go to with an OsuApiKey of no account here, such as"
        " https://oos.eu-west-2.outscale.com. Default: --oos-endpoint, when that is not the embedded store.",
    ),
    Setting(
        "reserve_gib",
        float,
        1,
        "GiB of the medium of HOME that are kept for the databases and the journal: imports, exports, builds and"
        " whatever else writes much is refused, or stops, when no more is free.",
    ),
    Setting(
        "trash_hours",
        float,
        24.0,
        "For how many hours the trash keeps disks that have no record, before they are removed for good. Only"
        " hours count for which the region is served.",
    ),
    Setting(
        "share_gate",
        str,
        "off",
        "Which sharing of images is refused (409) while their report is not made or has a finding of severity high:"
        " none, with everybody, or with any account.",
        ("off", "public", "all"),
    ),
    Setting(
        "require_signed",
        str,
        "",
        "File with public keys, one a line (`souche info` shows a region's): only exports that one of them has signed"
        " are imported, and no snapshot by a URL. Read at the start.",
    ),
    Setting(
        "allow_faults",
        bool,
        False,  # noqa: FBT003
        "For tests of clients: `souche fault add` has actions of this region fail on purpose.",
    ),
    Setting(
        "audit_log",
        str,
        "audit.jsonl",
        "File of the audit log, below HOME unless its path is absolute: a JSON line for each request and for each"
        " command of the operator. syslog: the system's log instead. Empty: none. docs/operating.md.",
    ),
    Setting(
        "audit_log_mib", float, 64.0, "MiB at which the file of --audit-log is renamed, and another begun."
    ),
    Setting("audit_log_files", int, 8, "How many renamed files of --audit-log are kept."),
    Setting("log_level", str, "info", "Least severe log lines shown.", ("debug", "info", "warning", "error")),
)


@dataclass(frozen=True)
class ConfigFile:
    """What a file of `--config` says, by the keys of settings (`cli/config_file.py`)."""

    path: Path | None
    values: Mapping[str, Any]


NO_FILE: Final = ConfigFile(None, {})


@dataclass(frozen=True)
class Settings:
    """The settings of one run of the server."""

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
        """What the API and the embedded object store speak."""
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
        """For how long what was discarded is kept.

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
        """Host and port for the embedded object store to listen on; None: there is to be none.

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
        """What is kept free for the region's records.

        Raises:
            BadSetting: a negative size, or no number.
        """
        if not 0 <= self.reserve_gib < MOST_RESERVE_GIB:
            raise BadSetting(flag="--reserve-gib", reason=f"0 to {MOST_RESERVE_GIB} is expected")
        return int(self.reserve_gib * GIB)

    @property
    def import_endpoints(self) -> list[tuple[str, int]]:
        """Hosts and ports to import from, whatever their addresses are.

        Raises:
            BadSetting: one is not HOST:PORT.
        """
        return [host_and_port("--allow-import", each) for each in self.allow_import]


def letters_of(text: str) -> tuple[str, ...]:
    """The letters of subregions, written with commas between.

    Raises:
        BadSetting: not letters from a to z, each once.
    """
    letters = tuple(each.strip() for each in text.split(","))
    if not all(re.fullmatch("[a-z]", letter) for letter in letters) or len(set(letters)) < len(letters):
        reason = f"letters from a to z with commas between are expected, each once, not '{text}'"
        raise BadSetting(flag="--subregions", reason=reason)
    return letters


def host_and_port(flag: str, text: str) -> tuple[str, int]:
    """Take HOST:PORT apart; the host in lower case.

    Raises:
        BadSetting: it is something else.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise BadSetting(flag=flag, reason=f"HOST:PORT is expected, not '{text}'")
    return host.strip("[]").lower(), int(port)


def check_url(flag: str, text: str) -> None:
    """Refuse what is no http or https URL.

    Raises:
        BadSetting.
    """
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port
        good = False
    if not good:
        raise BadSetting(flag=flag, reason=f"a URL such as https://HOST:PORT is expected, not {text!r}")


@dataclass(frozen=True)
class Source:
    """Where a value comes from. `place`: the flag, the variable, the file; None for a default."""

    kind: Literal["flag", "variable", "file", "default"]
    place: str | None = None


def settings(
    given: Mapping[str, Any], environment: Mapping[str, str] = os.environ, file: ConfigFile = NO_FILE
) -> Settings:
    """The settings: a flag that is given wins, then its environment variable, then the file, then the default.

    Raises:
        BadSetting: one is missing, or not one of its choices.
    """
    if _is_ephemeral(given, environment, file):
        given = {**given, "home": Path(tempfile.gettempdir()) / f"souche-{secrets.token_hex(8)}"}
    values = {setting.key: _value(setting, given, environment, file) for setting in SETTINGS}
    values["home"] = values["home"].resolve()
    for key in FILES:
        if values[key]:
            values[key] = str(Path(values[key]).resolve())
    for setting in SETTINGS:
        if setting.key.endswith("endpoint") and values[setting.key]:
            check_url(setting.flag, values[setting.key])
    if _takes_any_port(values, given, environment, file):
        values["metrics_listen"] = ANY_PORT
    made = Settings(**values)
    return made if made.endpoint else replace(made, endpoint=f"{made.scheme}://{made.listen}")


def source_of(
    setting: Setting, given: Mapping[str, Any], environment: Mapping[str, str], file: ConfigFile
) -> tuple[Any, Source]:
    """What is said of a setting, unchecked, and where."""
    if given.get(setting.key) is not None:
        return given[setting.key], Source("flag", setting.flag)
    if setting.variable in environment:
        return environment[setting.variable], Source("variable", setting.variable)
    if setting.key in file.values:
        return file.values[setting.key], Source("file", str(file.path))
    return setting.default, Source("default")


def _is_ephemeral(given: Mapping[str, Any], environment: Mapping[str, str], file: ConfigFile) -> bool:
    """Whether the home is to be one that nobody has named."""
    ephemeral, home = (next(each for each in SETTINGS if each.key == key) for key in ("ephemeral", "home"))
    named = source_of(home, given, environment, file)[0] is not None
    return not named and bool(_value(ephemeral, given, environment, file))


def _takes_any_port(
    values: Mapping[str, Any], given: Mapping[str, Any], environment: Mapping[str, str], file: ConfigFile
) -> bool:
    """Whether /metrics is on any free port: nothing is said of it, and the region is one of many on its machine."""
    setting = next(each for each in SETTINGS if each.key == "metrics_listen")
    is_said = source_of(setting, given, environment, file)[1].kind != "default"
    return not is_said and bool(values["ephemeral"] or values["listen"].endswith(":0"))


def _value(
    setting: Setting, given: Mapping[str, Any], environment: Mapping[str, str], file: ConfigFile
) -> Any:
    value, _ = source_of(setting, given, environment, file)
    if setting.repeated:
        return _values(setting, value)
    if value is None:
        raise BadSetting(flag=setting.flag, reason=f"it must be given (or {setting.variable} set)")
    if setting.choices and value not in setting.choices:
        raise BadSetting(flag=setting.flag, reason=f"one of {', '.join(setting.choices)} is expected")
    try:
        return _truth(value) if setting.kind is bool else setting.kind(value)
    except (ValueError, KeyError) as error:
        reason = f"'{value}' is no {setting.kind.__name__}"
        raise BadSetting(flag=setting.flag, reason=reason) from error


def _truth(value: object) -> bool:
    """A flag as the command line gives it, or as a variable has it."""
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False, "": False}[value.lower()]
    return bool(value)


def _values(setting: Setting, value: Any) -> tuple[Any, ...]:
    given = value.split(",") if isinstance(value, str) else value
    return tuple(setting.kind(each) for each in given if each)
