"""Access to the system: authorised keys, passwords, sudo."""

import base64
import binascii
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from souche.model.image_reports import Finding, Severity
from souche.trust.codes import finding
from souche.trust.disks.tree import WILD, Node
from souche.trust.linux.system import System, User

KEY_TYPES: Final = ("ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "rsa-sha2-")
DEFAULT_KEY_FILES: Final = (".ssh/authorized_keys", ".ssh/authorized_keys2")
DROPBEAR_KEYS: Final = (
    "/etc/dropbear/authorized_keys",
    "/etc/dropbear/initramfs/authorized_keys",
    "/etc/dropbear-initramfs/authorized_keys",
)
"""Files with keys for root, of dropbear(8) and of Debian's initramfs with dropbear."""
TOKENS: Final = re.compile(r"%[%huU]")
MOST_KEYS: Final = 200
"""findings per file for keys that open an account; the same limit for keys that may only run one command"""
SHELL: Final = re.compile(
    r"(?<![\w.-])(?:(?:ba|da|z|k|c|tc|a|fi)?sh|su|sudo|eval|SSH_ORIGINAL_COMMAND|SHELL)(?![\w.-])"
)
MOST_RULE_FILES: Final = 256
INCLUDES: Final = re.compile(r"[@#]include(dir)?[ \t]+[\"']?([^\s\"']+)")
DES_HASH: Final = re.compile(r"[./0-9A-Za-z]{13}(?:[./0-9A-Za-z]{11}){0,15}(?![./0-9A-Za-z])")
"""DES, and its extension by blocks of 11. HP-UX's aging may follow, which PAM cuts off (pam_unix, passverify.c)."""
NO_SHELLS: Final = ("nologin", "false", "sync", "shutdown", "halt")


def authorized_keys(system: System) -> Iterator[Finding]:
    """Keys that admit their holder as any user, and keys that sign others' keys."""
    patterns = dict.fromkeys(system.sshd.anywhere("authorizedkeysfile", *DEFAULT_KEY_FILES))
    seen: set[str] = set()
    for user in system.users:
        for path in key_files(system, patterns, user):
            if path not in seen:
                seen.add(path)
                yield from _keys(system, path, user)
    for path in DROPBEAR_KEYS:
        yield from _keys(system, path, User("root", 0, "/root"))
    for path in authority_files(system):
        yield from _authorities(system, path)


def authority_files(system: System) -> list[str]:
    """The files with keys of certificate authorities (TrustedUserCAKeys)."""
    return [
        path for path in dict.fromkeys(system.sshd.anywhere("trustedusercakeys", "none")) if path != "none"
    ]


def _authorities(system: System, path: str) -> Iterator[Finding]:
    for line in system.tree.lines(path):
        fields = line.split()
        if len(fields) > 1 and fields[0].startswith(KEY_TYPES):
            text = "The holder of this key signs keys that open accounts of every launch (TrustedUserCAKeys)."
            yield finding("authorized-key", path, text, fingerprint=fingerprint(fields[1]))


def key_files(system: System, patterns: Iterable[str], user: User) -> Iterator[str]:
    """The files that AuthorizedKeysFile names for a user, with wildcards as newer servers accept them."""
    for pattern in patterns:
        if pattern.lower() != "none":
            path = key_file(pattern, user)
            yield path
            if WILD.search(path):
                yield from (node.path for node in system.tree.glob(path))


def key_file(pattern: str, user: User) -> str:
    """The file that a pattern of AuthorizedKeysFile (sshd_config(5)) names for a user."""
    home = user.home.rstrip("/")
    tokens = {"%h": home, "%u": user.name, "%U": str(user.uid), "%%": "%"}
    path = TOKENS.sub(lambda found: tokens[found[0]], pattern)
    return path if path.startswith("/") else f"{home}/{path}"


def _keys(system: System, path: str, user: User) -> Iterator[Finding]:
    numbers = Counter[bool]()
    for line in system.tree.lines(path):
        fields = line.split()
        at = next((index for index, each in enumerate(fields) if each.startswith(KEY_TYPES)), None)
        if line.lstrip().startswith("#") or at is None or at + 1 >= len(fields):
            continue
        held_back = is_held_back(line)
        numbers[held_back] += 1
        if numbers[held_back] > MOST_KEYS:
            continue
        print_of = fingerprint(fields[at + 1])
        text = f"A key of type {fields[at]} opens the account '{user.name}' of every launch."
        if held_back:
            text = f"A key of type {fields[at]} may run one command as '{user.name}' in every launch."
        severity = Severity.LOW if held_back else None
        yield finding("authorized-key", path, text, fingerprint=print_of, severity=severity, user=user.name)


def is_held_back(line: str) -> bool:
    """Whether the key of a line can only run one command, which is neither a shell nor chosen by the holder. A line
    that OpenSSH would parse differently counts as one that opens the account."""
    options, rest = _options(line.lstrip(" \t"))
    if not rest.lstrip(" \t").startswith(KEY_TYPES):
        return False
    commands = [each.partition("=")[2] for each in options if each.lower().startswith('command="')]
    return bool(commands) and not any(map(SHELL.search, commands))


def _options(text: str) -> tuple[list[str], str]:
    """The options before a key, and the rest, as OpenSSH parses them (auth2-pubkeyfile.c)."""
    quoted, begun, at, options = False, 0, 0, list[str]()
    while at < len(text) and (quoted or text[at] not in " \t"):
        if text.startswith('\\"', at):
            at += 1
        elif text[at] == '"':
            quoted = not quoted
        elif text[at] == "," and not quoted:
            options.append(text[begun:at])
            begun = at + 1
        at += 1
    return [*options, text[begun:at]], text[at:]


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
    """Accounts that accept a login with a password, or without one."""
    shadow: dict[str, list[str]] = {}
    for line in system.tree.lines("/etc/shadow"):
        name, colon, rest = line.lstrip().partition(":")
        if colon:
            shadow.setdefault(name, []).append(rest.partition(":")[0])
    for user in system.accounts:
        if user.uid is not None:
            yield from _passwords(user, "/etc/passwd", [user.password])
            yield from _passwords(user, "/etc/shadow", shadow.get(user.name, ()))


def _passwords(user: User, path: str, passwords: Iterable[str]) -> Iterator[Finding]:
    """If a name occurs twice, one program uses the first and another the last."""
    for password in dict.fromkeys(passwords):
        if password == "":
            yield _password("empty-password", path, user, "needs no password")
        elif is_hash(password):
            yield _password("usable-password", path, user, "has a password, the same in every launch")


def _password(code: str, path: str, user: User, what: str) -> Finding:
    shell = user.shell.rpartition("/")[2]
    severity = Severity.LOW if shell in NO_SHELLS else None
    return finding(code, path, f"The account '{user.name}' {what}.", severity=severity, user=user.name)


def is_hash(password: str) -> bool:
    """Whether a password is a hash (crypt(5)). A locked password begins with `!` or `*`, and is not a hash."""
    if password[:1] in ("!", "*"):
        return False
    return password.startswith(("$", "_")) or DES_HASH.match(password) is not None


def sudo(system: System) -> Iterator[Finding]:
    """Rules of sudo and doas that ask for no password."""
    for node in _sudoers(system):
        for line in system.tree.lines(node.path):
            rule = line.strip()
            if not rule.startswith("#") and "NOPASSWD" in rule:
                who = rule.split()[0]
                text = f"'{who}' becomes root without a password."
                yield finding("sudo-nopasswd", node.path, text, user=who)
                break
    for line in system.tree.lines("/etc/doas.conf"):
        if line.split()[:1] == ["permit"] and "nopass" in line.split():
            yield finding("sudo-nopasswd", "/etc/doas.conf", "doas asks for no password.")
            return


def _sudoers(system: System) -> Iterator[Node]:
    """The files of sudo's rules, with those that they include (sudoers(5))."""
    waiting, seen = ["/etc/sudoers", *_included_rules(system, "/etc/sudoers.d")], set[str]()
    while waiting and len(seen) < MOST_RULE_FILES:
        node = system.tree.node(waiting.pop(0))
        if node is None or not node.is_file or node.path in seen:
            continue
        seen.add(node.path)
        yield node
        for found in filter(None, map(INCLUDES.match, system.tree.lines(node.path))):
            path = found[2] if found[2].startswith("/") else f"/etc/{found[2]}"
            waiting += _included_rules(system, path) if found[1] else [path]


def _included_rules(system: System, folder: str) -> list[str]:
    names = (node.name for node in system.tree.children(folder))
    return [f"{folder}/{name}" for name in names if "." not in name and not name.endswith("~")]
