"""Who gets in: authorised keys, passwords, sudo."""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from typing import Final

from souche.model.image_reports import Finding, Severity
from souche.trust.codes import finding
from souche.trust.disks.tree import Node
from souche.trust.linux.system import System, User

KEY_TYPES: Final = ("ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "rsa-sha2-")
DEFAULT_KEY_FILES: Final = ".ssh/authorized_keys .ssh/authorized_keys2"
MOST_KEYS: Final = 200
DES_HASH: Final = 13
NO_SHELLS: Final = ("nologin", "false", "sync", "shutdown", "halt")


def authorized_keys(system: System) -> Iterator[Finding]:
    """Keys that let their holder in, as any user, and those that sign others' keys."""
    patterns = " ".join(system.sshd.anywhere("authorizedkeysfile", DEFAULT_KEY_FILES)).split()
    seen: set[str] = set()
    for user in system.users:
        for pattern in patterns:
            path = key_file(pattern, user)
            if path not in seen and pattern != "none":
                seen.add(path)
                yield from _keys(system, path, user)
    for path in authority_files(system):
        yield from _authorities(system, path)


def authority_files(system: System) -> list[str]:
    """The files with keys of certificate authorities (TrustedUserCAKeys)."""
    return [
        path for path in dict.fromkeys(system.sshd.anywhere("trustedusercakeys", "none")) if path != "none"
    ]


def _authorities(system: System, path: str) -> Iterator[Finding]:
    for line in system.tree.text(path).splitlines()[:MOST_KEYS]:
        fields = line.split()
        if len(fields) > 1 and fields[0].startswith(KEY_TYPES):
            text = "The holder of this key signs keys that open accounts of every launch (TrustedUserCAKeys)."
            yield finding("authorized-key", path, text, fingerprint=fingerprint(fields[1]))


def key_file(pattern: str, user: User) -> str:
    """The file that a pattern of AuthorizedKeysFile (sshd_config(5)) means for a user."""
    home = user.home.rstrip("/")
    path = pattern.replace("%h", home).replace("%u", user.name).replace("%U", str(user.uid))
    path = path.replace("%%", "%")
    return path if path.startswith("/") else f"{home}/{path}"


def _keys(system: System, path: str, user: User) -> Iterator[Finding]:
    for line in system.tree.text(path).splitlines()[:MOST_KEYS]:
        fields = line.split()
        at = next((index for index, each in enumerate(fields) if each.startswith(KEY_TYPES)), None)
        if line.lstrip().startswith("#") or at is None or at + 1 >= len(fields):
            continue
        print_of = fingerprint(fields[at + 1])
        held_back = "command=" in line[: line.index(fields[at])]
        text = f"A key of type {fields[at]} opens the account '{user.name}' of every launch."
        if held_back:
            text = f"A key of type {fields[at]} may run one command as '{user.name}' in every launch."
        severity = Severity.LOW if held_back else None
        yield finding("authorized-key", path, text, fingerprint=print_of, severity=severity, user=user.name)


def fingerprint(encoded: str) -> str:
    """The fingerprint of a public key, as ssh-keygen -l shows it; empty: it is none."""
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return sha256(blob)


def sha256(data: bytes) -> str:
    """A SHA-256 in the form of a key's fingerprint."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def passwords(system: System) -> Iterator[Finding]:
    """Accounts with a password, or with none, that somebody can log in with."""
    shadow = {fields[0]: fields[1] for fields in _fields(system, "/etc/shadow") if len(fields) > 1}
    for user in system.users:
        if user.uid is None:
            continue
        path = "/etc/passwd" if user.password != "x" else "/etc/shadow"  # noqa: S105
        password = user.password if user.password != "x" else shadow.get(user.name, "*")  # noqa: S105
        if password == "":
            yield _password("empty-password", path, user, "needs no password")
        elif is_hash(password):
            yield _password("usable-password", path, user, "has a password, the same in every launch")


def _password(code: str, path: str, user: User, what: str) -> Finding:
    shell = user.shell.rpartition("/")[2]
    severity = Severity.LOW if shell in NO_SHELLS else None
    return finding(code, path, f"The account '{user.name}' {what}.", severity=severity, user=user.name)


def is_hash(password: str) -> bool:
    """Whether it is a hash of a password (crypt(5)): what is locked begins with `!` or `*`, and cannot be one."""
    if password[:1] in ("!", "*"):
        return False
    return password.startswith(("$", "_")) or len(password) == DES_HASH


def _fields(system: System, path: str) -> Iterator[list[str]]:
    return (line.split(":") for line in system.tree.text(path).splitlines())


def sudo(system: System) -> Iterator[Finding]:
    """Rules of sudo and doas that ask for no password."""
    for node in _sudoers(system):
        for line in (system.tree.content(node) or b"").decode("utf-8", "replace").splitlines():
            rule = line.strip()
            if not rule.startswith("#") and "NOPASSWD" in rule:
                who = rule.split()[0]
                text = f"'{who}' becomes root without a password."
                yield finding("sudo-nopasswd", node.path, text, user=who)
                break
    for line in system.tree.text("/etc/doas.conf").splitlines():
        if line.split()[:1] == ["permit"] and "nopass" in line.split():
            yield finding("sudo-nopasswd", "/etc/doas.conf", "doas asks for no password.")
            return


def _sudoers(system: System) -> Iterator[Node]:
    main = system.tree.node("/etc/sudoers")
    if main and main.is_file:
        yield main
    for node in system.tree.children("/etc/sudoers.d"):
        if node.is_file and "." not in node.name and not node.name.endswith("~"):
            yield node
