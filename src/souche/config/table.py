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
    Setting("home", Path, None, "Folder of the region: database, disks, keys."),
    Setting(
        "ephemeral",
        bool,
        False,  # noqa: FBT003
        "Create HOME at the start, and remove it when the server ends; it must not exist. Without --home: "
        "a new folder in TMPDIR. Only with --compute simulated, because libvirt's guests would remain.",
    ),
    Setting(
        "database",
        str,
        "",
        "URL of the PostgreSQL database with the region's records, postgresql://USER@HOST/NAME, without a "
        "password (see --database-file). Default: SQLite in HOME. docs/databases.md.",
    ),
    Setting(
        "database_file",
        str,
        "",
        "File with that URL and its password on one line, readable only by its owner.",
    ),
    Setting("listen", str, "127.0.0.1:8808", "HOST:PORT of the API."),
    Setting(
        "tls_cert",
        str,
        "",
        "File with the certificate (PEM, with the intermediate ones) of the API and the embedded object "
        "store. Both then accept only https. Read again when it changes.",
    ),
    Setting("tls_key", str, "", "File with the private key of --tls-cert (PEM, without a passphrase)."),
    Setting(
        "tls_self_signed",
        bool,
        False,  # noqa: FBT003
        "The API and the embedded object store use https, with a certificate of the region's own "
        "authority, which is created once in HOME/tls: make clients trust HOME/tls/ca.pem. For a first "
        "try.",
    ),
    Setting(
        "metrics_listen",
        str,
        "127.0.0.1:8810",
        "HOST:PORT of GET /metrics, in Prometheus' format, without TLS and signatures. Empty: none. Port "
        "0: any free port, which is the default if --listen has port 0, or with --ephemeral. `souche api` "
        "serves metrics only if the setting is given.",
    ),
    Setting("region", str, "souche-1", "Name of the region. A subregion's name is this name and a letter."),
    Setting(
        "subregions",
        str,
        "a,b",
        "Letters of the region's subregions, separated by commas; the first is the default of launches. "
        "All are on this host. Resources in a subregion stay there when its letter is removed.",
    ),
    Setting(
        "compute",
        str,
        "libvirt",
        "libvirt: real guests; needs root. simulated: real disks, simulated guests; needs neither libvirt "
        "nor root.",
        ("libvirt", "simulated"),
    ),
    Setting(
        "endpoint",
        str,
        "",
        "URL of the API for clients, shown by ReadRegions. Default: http:// (https:// with TLS) and the "
        "address of --listen.",
    ),
    Setting(
        "guest_network",
        str,
        "",
        "IPv4 network (CIDR) of the guests, on a separate, isolated bridge. Default: the region's "
        "existing network; at the first start a /20 in 10.128.0.0/9, derived from the path of HOME, to "
        "which this host has no route.",
    ),
    Setting(
        "guest_nat",
        bool,
        False,  # noqa: FBT003
        "Guests reach everything that this host reaches, with its address, and its resolver, but no "
        "link-local addresses. The host then forwards packets (net.ipv4.ip_forward). Nothing outside can "
        "open a connection to a guest.",
    ),
    Setting(
        "guest_services",
        bool,
        False,  # noqa: FBT003
        "Guests reach the API and the embedded object store at the address of their bridge (gateway-ipv4 "
        "in their metadata), on the same ports as other clients.",
    ),
    Setting(
        "public_ips",
        str,
        "",
        "IPv4 network (CIDR) of public IPs (CreatePublicIp). They lead to guests on this host only: no "
        "traffic for them leaves it. Default: the region's existing range; at the first start a /24 in "
        "198.19.0.0/16, derived from the path of HOME, to which this host has no route.",
    ),
    Setting(
        "allow_import",
        str,
        (),
        "HOST:PORT, as written in URLs, from which imports are allowed although its address is private.",
        repeated=True,
    ),
    Setting(
        "oos_listen",
        str,
        "127.0.0.1:8809",
        "HOST:PORT of the embedded object store (OOS). Empty: none.",
    ),
    Setting(
        "oos_endpoint",
        str,
        "",
        "URL of the object store for clients. Default: http:// (https:// with TLS) and the address of "
        "--oos-listen. With an empty --oos-listen: the S3 service to use instead.",
    ),
    Setting(
        "oos_key_file",
        str,
        "",
        "File with the region's own key to the S3 service at --oos-endpoint: access key ID and secret "
        "key, on one line each.",
    ),
    Setting(
        "export_endpoint",
        str,
        "",
        "URL of the S3 service for exports whose OsuApiKey belongs to no account of the region, such as "
        "https://oos.eu-west-2.outscale.com. Default: --oos-endpoint, unless that is the embedded store.",
    ),
    Setting(
        "reserve_gib",
        float,
        1,
        "GiB of HOME's medium that are kept free for the databases and the journal: imports, exports, "
        "builds and other large writes are refused, or stop, at this limit.",
    ),
    Setting(
        "trash_hours",
        float,
        24.0,
        "Hours for which the trash keeps disks without a record before they are deleted. Only hours "
        "during which the region is served count.",
    ),
    Setting(
        "share_gate",
        str,
        "off",
        "The sharing of images that is refused (409) until their report is made and has no finding of "
        "severity high: none, with everyone, or with any account.",
        ("off", "public", "all"),
    ),
    Setting(
        "require_signed",
        str,
        "",
        "File with public keys, one per line (`souche info` shows a region's): only exports signed by one "
        "of them are imported, and no snapshots from URLs. Read at the start.",
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
        "File of the audit log, relative to HOME: a JSON line for each request and for each command of "
        "the operator. syslog: the system's log instead. Empty: none. docs/operating.md.",
    ),
    Setting(
        "audit_log_mib", float, 64.0, "MiB at which the file of --audit-log is renamed, and a new one begins."
    ),
    Setting("audit_log_files", int, 8, "Number of renamed files of --audit-log to keep."),
    Setting(
        "log_level", str, "info", "The least severe level of the log.", ("debug", "info", "warning", "error")
    ),
)

BY_KEY: Final[Mapping[str, Setting]] = {setting.key: setting for setting in SETTINGS}
