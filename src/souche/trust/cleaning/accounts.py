"""Authorised keys and passwords."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from souche.trust.cleaning.changes import Change, CleaningRule, deed, lines_of, removal, whole
from souche.trust.disks.tree import Node
from souche.trust.linux.accounts import (
    DEFAULT_KEY_FILES,
    DROPBEAR_KEYS,
    KEY_TYPES,
    authority_files,
    is_hash,
    key_files,
)
from souche.trust.linux.system import System

LOCKED: Final = "*"
"""Locks the password but not keys. With `!`, sshd without PAM would refuse keys too (sshd(8), LOGIN PROCESS)."""
PASSWORD_FILES: Final = ("/etc/passwd", "/etc/shadow", "/etc/gshadow")
NO_PASSWORD: Final = ("/etc/passwd", "/etc/shadow")
"""The files in which an empty field admits anyone; in gshadow(5) it admits no one."""
BACKUPS: Final = ("/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/etc/security/opasswd")


def authorized_keys(system: System) -> Iterator[CleaningRule]:
    """Remove every key of every user, for any purpose."""
    patterns = dict.fromkeys([*system.sshd.anywhere("authorizedkeysfile"), *DEFAULT_KEY_FILES])
    paths = {path: user.name for user in system.users for path in key_files(system, patterns, user)}
    for path, user in {**paths, **dict.fromkeys(DROPBEAR_KEYS, "root")}.items():
        yield from _without_keys(system, path, user)
    for path in authority_files(system):
        yield from _without_keys(system, path, None)


def _without_keys(system: System, path: str, user: str | None) -> Iterator[CleaningRule]:
    """`user`: None for keys that sign those of any user."""
    node = system.tree.node(path)
    content = whole(system.tree, node) if node and node.is_file else None
    if node is None or content is None:
        return
    lines = lines_of(content)
    kept = [line for line in lines if not _is_key(line)]
    if len(kept) == len(lines):
        return
    keys = "Keys that signed others' keys" if user is None else f"Keys that opened the account '{user}'"
    what = f"{keys} were removed: {len(lines) - len(kept)}."
    if any(line.strip() and not line.lstrip().startswith(b"#") for line in kept):
        yield deed("authorized-key", path, what, Change("write", node, b"".join(kept)), user=user)
    else:
        link = removal(system.tree, path) if path != node.path else ()
        yield deed("authorized-key", path, what, Change("remove", node), *link, user=user)


def _is_key(line: bytes) -> bool:
    """Whether a line has a key: its type, then the key itself, which begins with the length of that type."""
    fields = line.decode("latin-1").split()
    return any(
        each.startswith(KEY_TYPES) and following.startswith("AAAA") for each, following in pairwise(fields)
    )


def passwords(system: System) -> Iterator[CleaningRule]:
    """Remove the passwords of all accounts and groups, and lock those without one."""
    for path in PASSWORD_FILES:
        node = system.tree.node(path)
        if node and node.is_file:
            yield from _locked(system, path, node)
    for path in BACKUPS:
        found = system.tree.node(path, follow=False)
        if found and found.is_file and found.entry.size:
            text = "A copy of former accounts and passwords was removed."
            yield deed("password-backup", path, text, Change("remove", found))


def _locked(system: System, path: str, node: Node) -> Iterator[CleaningRule]:
    content = whole(system.tree, node)
    if content is None:
        return
    lines, names = [], list[tuple[str, str]]()
    for line in (each.decode("latin-1") for each in lines_of(content)):
        fields = line.split(":")
        locked = _without_password(fields[1], path) if len(fields) > 1 else None
        if locked is not None:
            code = "empty-password" if fields[1] == "" else "usable-password"
            names.append((fields[0].encode("latin-1").decode("utf-8", "replace"), code))
            fields[1] = locked
        lines.append(":".join(fields))
    change = Change("write", node, "".join(lines).encode("latin-1"))
    for name, code in names:
        what = "was locked: it had no password" if code == "empty-password" else "has no password any more"
        yield deed(code, path, f"'{name}' {what}.", change, user=name)


def _without_password(password: str, path: str) -> str | None:
    """The replacement of a password; None: there is none. A hash behind `!` is still the author's."""
    if password == "":
        return LOCKED if path in NO_PASSWORD else None
    bare = password.lstrip("!")
    if not is_hash(bare):
        return None
    return LOCKED if bare == password else "!"
