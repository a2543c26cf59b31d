"""A Linux system, as the checks use it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

from souche.trust.codes import NEW_USER
from souche.trust.disks.layout import Layout
from souche.trust.disks.tree import Tree
from souche.trust.linux.sshd_config import SshServer

MOST_USERS: Final = 1000
SKELETON: Final = "/etc/skel"
"""The folder that useradd(8) copies into a new user's home folder."""
NUMBER: Final = re.compile(r"\s*[+-]?[0-9]{1,20}")


@dataclass(frozen=True)
class User:
    """A line of /etc/passwd, or a home folder without one."""

    name: str
    uid: int | None
    home: str
    shell: str = ""
    password: str = "x"  # noqa: S105 - what passwd(5) has where the hash is in shadow(5)


@dataclass(frozen=True)
class System:
    """A system that is not running: its files, its disks, the boot modes of its image, and the day of the
    examination."""

    tree: Tree
    layout: Layout
    boot_modes: tuple[str, ...]
    today: date

    @cached_property
    def accounts(self) -> list[User]:
        """The lines of /etc/passwd."""
        return [user for user in map(_passwd, self.tree.lines("/etc/passwd")) if user]

    @cached_property
    def users(self) -> list[User]:
        """At most a thousand users of /etc/passwd, the home folders without a line there, and each new user: cloud-init
        creates one at the first start of a launch."""
        known = self.accounts[:MOST_USERS]
        if len(self.accounts) > MOST_USERS:
            self.tree.cut_short("/etc/passwd")
        homes = {user.home.rstrip("/") for user in known}
        strays = [
            User(node.name, None, node.path)
            for node in self.tree.children("/home")
            if node.is_directory and node.path not in homes and node.name != "lost+found"
        ]
        root = [] if "/root" in homes else [User("root", 0, "/root")]
        new = [User(NEW_USER, None, SKELETON)] if self.tree.exists(SKELETON) else []
        return [*root, *known, *strays[:MOST_USERS], *new]

    @cached_property
    def homes(self) -> list[tuple[User, str]]:
        """The home folders of people and of root, each once."""
        found: dict[str, User] = {}
        for user in self.users:
            home = user.home.rstrip("/")
            if home and home not in _NO_HOMES and self.tree.exists(home):
                found.setdefault(home, user)
        return [(user, home) for home, user in found.items()]

    @cached_property
    def release(self) -> Mapping[str, str]:
        """The fields of os-release(5)."""
        text = self.tree.text("/etc/os-release") or self.tree.text("/usr/lib/os-release")
        return dict(_assignments(text))

    @cached_property
    def sshd(self) -> SshServer:
        """The SSH server's configuration."""
        return SshServer.read(self.tree)


_NO_HOMES: Final = {
    "",
    "/",
    "/bin",
    "/sbin",
    "/dev",
    "/usr/sbin",
    "/usr/bin",
    "/nonexistent",
    "/proc",
    "/run",
    "/etc",
}


def _passwd(line: str) -> User | None:
    """A line as glibc reads it (nss_files): leading space is not part of the name, fields at the end may be missing,
    and numbers are parsed as by strtoul(3)."""
    fields = line.lstrip().split(":")
    if len(fields) < 2 or not fields[0] or fields[0].startswith("#"):
        return None
    fields += [""] * (7 - len(fields))
    uid = int(fields[2]) if NUMBER.fullmatch(fields[2]) else None
    return User(fields[0], uid, fields[5] or "/", fields[6], fields[1])


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            yield name, value.strip().strip("\"'")
