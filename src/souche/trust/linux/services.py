"""Services that start automatically and listen."""

import re
from collections.abc import Iterator
from typing import Final

from souche.model.image_reports import Finding
from souche.trust.codes import finding
from souche.trust.disks.tree import Node
from souche.trust.linux.system import System

CLEAR_TEXT: Final = re.compile(
    r"^(?:telnet|telnetd|in\.telnetd|inetutils-inetd|vsftpd|proftpd|pure-ftpd|ftpd|rsh|rshd|rlogin|rlogind|rexec"
    r"|rexecd|tftpd|tftpd-hpa|tftp|finger|fingerd|ypserv|ypbind)(?:@.*)?$"
)
NETWORK: Final = re.compile(
    r"^(?:apache2|httpd|nginx|lighttpd|caddy|haproxy|mysql|mysqld|mariadb|postgresql|redis|redis-server|mongod|memcached"
    r"|elasticsearch|docker|smbd|nmbd|smb|nfs-server|nfs-kernel-server|rpcbind|cups|cupsd|avahi-daemon|named|bind9"
    r"|exim4|postfix|sendmail|dovecot|snmpd|squid|vncserver|xrdp|rabbitmq-server|slapd|jenkins|k3s|kubelet|cockpit)"
    r"(?:@.*)?$"
)
INETD: Final = ("telnet", "ftp", "shell", "login", "exec", "finger", "tftp")
UNITS: Final = (
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
SYSV: Final = re.compile(r"^S\d\d(.+)$")
RUN_LEVELS: Final = ("/etc/rc2.d", "/etc/rc3.d", "/etc/rc5.d", "/etc/rc.d/rc3.d", "/etc/rc.d/rc5.d")
OPENRC: Final = ("/etc/runlevels/default", "/etc/runlevels/boot")


def services(system: System) -> Iterator[Finding]:
    """Services that start automatically: those that accept passwords in clear text, and others that listen."""
    for name, path in _enabled(system).items():
        if CLEAR_TEXT.match(name):
            text = f"The service {name} starts by itself, and takes passwords in clear text."
            yield finding("cleartext-service", path, text)
        elif NETWORK.match(name):
            text = f"The service {name} starts by itself, and listens."
            yield finding("network-service", path, text)


def _enabled(system: System) -> dict[str, str]:
    """The place where each service is enabled, by its name: systemd, SysV, OpenRC, inetd, xinetd."""
    found: dict[str, str] = {}
    for folder in (each for units in UNITS for each in system.tree.children(units)):
        if folder.name.endswith((".wants", ".requires")):
            for unit in system.tree.children(folder.path):
                for name in _names(system, unit):
                    found.setdefault(name.rpartition(".")[0], unit.path)
    for level in (*RUN_LEVELS, *OPENRC):
        for node in system.tree.children(level):
            started = SYSV.match(node.name)
            name = started[1] if started else node.name
            if started or level in OPENRC:
                found.setdefault(name, node.path)
    return {**found, **_inetd(system)}


def _names(system: System, unit: Node) -> set[str]:
    """A unit's name, and that of the target of its link; nothing for a masked unit."""
    names = {unit.name, system.tree.target(unit).rpartition("/")[2] or unit.name}
    masks = (system.tree.node(f"{UNITS[0]}/{name}", follow=False) for name in names)
    return set() if any(mask and system.tree.target(mask) == "/dev/null" for mask in masks) else names


def _inetd(system: System) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in system.tree.lines("/etc/inetd.conf"):
        name = (line.split() or ["#"])[0]
        if name in INETD:
            found[_clear(name)] = "/etc/inetd.conf"
    for node in system.tree.children("/etc/xinetd.d"):
        text = system.tree.text(node.path)
        if node.name in (*INETD, "rsh", "rlogin", "rexec") and re.search(r"disable\s*=\s*no", text):
            found[_clear(node.name)] = node.path
    return found


def _clear(name: str) -> str:
    return {"shell": "rsh", "login": "rlogin", "exec": "rexec", "ftp": "ftpd"}.get(name, name)
