"""The system's release, packages and kernels."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from souche.model.image_reports import Finding
from souche.trust import end_of_life
from souche.trust.codes import finding
from souche.trust.linux.system import System

DPKG: Final = "/var/lib/dpkg/status"
APK: Final = "/lib/apk/db/installed"
RPM: Final = ("/usr/lib/sysimage/rpm/rpmdb.sqlite", "/var/lib/rpm/rpmdb.sqlite")
OLD_RPM: Final = ("/var/lib/rpm/Packages", "/var/lib/rpm/Packages.db", "/usr/lib/sysimage/rpm/Packages.db")
MOST_BYTES: Final = 64 * 1024 * 1024
INSTALLED: Final = re.compile(rb"(?m)^Status: install ok installed$")


def name_of(system: System) -> str:
    """The system's name for itself."""
    release = system.release
    named = release.get("PRETTY_NAME") or " ".join(
        filter(None, (release.get("NAME"), release.get("VERSION_ID")))
    )
    return named or (system.tree.text("/etc/redhat-release").strip() or "Linux")[:200]


def end_of_support(system: System) -> Iterator[Finding]:
    """A release without security updates."""
    release = system.release
    end = end_of_life.end_of(release.get("ID", ""), release.get("VERSION_ID", ""))
    if end is not None and end < system.today:
        text = f"{name_of(system)} has had no security updates since {end.isoformat()}."
        yield finding("end-of-life", "/etc/os-release", text)


def packages(system: System) -> Iterator[Finding]:
    """The number of packages by package manager, and the kernels."""
    kernels = [node.name for node in system.tree.children("/lib/modules") if node.is_directory]
    kind, path, number = _packages(system)
    if kind or kernels:
        counted = (
            f"{number} packages ({kind})" if number is not None else f"packages of {kind or 'no manager'}"
        )
        text = f"{counted}; kernels: {', '.join(kernels[:8]) or 'none'}."
        yield finding("packages", path or "/lib/modules", text)


def _packages(system: System) -> tuple[str, str, int | None]:
    status = system.tree.read(DPKG, MOST_BYTES)
    if status:
        return "dpkg", DPKG, len(INSTALLED.findall(status))
    installed = system.tree.read(APK, MOST_BYTES)
    if installed:
        return "apk", APK, len(re.findall(rb"(?m)^P:", installed))
    for path in RPM:
        database = system.tree.read(path, MOST_BYTES)
        if database:
            return "rpm", path, _rows(database)
    for path in OLD_RPM:
        if system.tree.exists(path):
            return "rpm", path, None
    return "", "", None


def _rows(database: bytes) -> int | None:
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.deserialize(database)
            (number,) = connection.execute("SELECT count(*) FROM Packages").fetchone()
        except sqlite3.Error:
            return None
    return int(number)
