"""The SSH server: its host keys, and whom it lets in."""

from collections.abc import Iterator

from souche.model.image_reports import Finding
from souche.trust.codes import finding
from souche.trust.linux.accounts import fingerprint
from souche.trust.linux.keys import is_private_key, public_half
from souche.trust.linux.sshd_config import CONFIGURATION
from souche.trust.linux.system import System

SERVERS = ("/usr/sbin/sshd", "/usr/bin/sshd", CONFIGURATION)
FOLDERS = ("/etc/ssh", "/etc/dropbear", "/usr/local/etc/ssh")


def host_keys(system: System) -> Iterator[Finding]:
    """Keys by which a server is known: who has the image can pass for its author's VM, and for every launch."""
    for folder in FOLDERS:
        for node in system.tree.children(folder):
            if not (node.name.endswith("_key") and ("host" in node.name or folder == "/etc/dropbear")):
                continue
            content = system.tree.content(node) if node.is_file else None
            if content is None or not (is_private_key(content) or (folder == "/etc/dropbear" and content)):
                continue
            fields = system.tree.text(f"{node.path}.pub").split()
            known = fingerprint(fields[1]) if len(fields) > 1 else public_half(content)
            text = "The SSH host key is the same in every launch."
            yield finding("host-key", node.path, text, fingerprint=known)


def sshd_options(system: System) -> Iterator[Finding]:
    """Options that let passwords in, root, and keys that no file has."""
    if not any(map(system.tree.exists, SERVERS)):
        return
    if system.sshd.for_everybody("passwordauthentication", "yes").lower() == "yes":
        text = "The SSH server lets users in by password."
        yield finding("sshd-password", CONFIGURATION, text)
    elif _is_yes(system.sshd.in_blocks("passwordauthentication")):
        text = "The SSH server lets some users in by password (Match)."
        yield finding("sshd-password", CONFIGURATION, text)
    if system.sshd.for_everybody("permitrootlogin", "prohibit-password").lower() == "yes":
        text = "The SSH server lets root in by any means, passwords too."
        yield finding("sshd-root", CONFIGURATION, text)
    elif _is_yes(system.sshd.in_blocks("permitrootlogin")):
        text = "The SSH server lets root in by any means from some places (Match)."
        yield finding("sshd-root", CONFIGURATION, text)
    for command in dict.fromkeys(system.sshd.anywhere("authorizedkeyscommand", "none")):
        if command.lower() != "none":
            text = f"The SSH server asks a program for keys that open accounts: {command.split()[0]}."
            yield finding("sshd-key-command", CONFIGURATION, text)


def _is_yes(values: list[str]) -> bool:
    return any(value.lower() == "yes" for value in values)
