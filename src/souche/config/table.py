"""Every setting, declared once: its flag, its environment variable, its key in a file, its default, its help. The
command line, `settings.Settings` and docs/settings.md are made from this table."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FILES: Final = ("database_file", "oos_key_file", "require_signed", "tls_cert", "tls_key")
"""settings whose value is a file's path; `home` is a folder's"""


@dataclass(frozen=True)
class Setting:
    """One setting. `default` None: it must be given, or is computed (`help` explains how). A `repeated` setting may be
    given several times; its variable separates values by commas."""

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
        "For tests of clients: `souche fault add` injects faults into this region's actions.",
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

BY_KEY: Final[Mapping[str, Setting]] = {setting.key: setting for setting in SETTINGS}
