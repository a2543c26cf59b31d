"""The SSH server: its host keys, and its access rules."""

from collections.abc import Iterator

from souche.model.image_reports import Finding
from souche.trust.codes import finding
from souche.trust.linux.accounts import fingerprint
from souche.trust.linux.keys import is_private_key, public_half
from souche.trust.linux.sshd_config import CONFIGURATION
from souche.trust.linux.system import System

SERVERS = ("/usr/sbin/sshd", "/usr/bin/sshd", CONFIGURATION)
DROPBEAR = "/etc/dropbear"
FOLDERS = ("/etc/ssh", DROPBEAR, "/usr/local/etc/ssh")


def host_keys(system: System) -> Iterator[Finding]:
    """Host keys: anyone with the image can impersonate its author's VM and every launch."""
    seen: set[str] = set()
    for path in _host_key_files(system):
        node = system.tree.node(path)
        if node is None or not node.is_file or node.path in seen:
            continue
        seen.add(node.path)
        content = system.tree.content(node)
        if content and (is_private_key(content) or path.startswith(DROPBEAR)):
            fields = system.tree.text(f"{path}.pub").split()
            known = fingerprint(fields[1]) if len(fields) > 1 else public_half(content)
            text = "The SSH host key is the same in every launch."
            yield finding("host-key", node.path, text, fingerprint=known)


def _host_key_files(system: System) -> Iterator[str]:
    """The default paths of host keys, and those in the configuration."""
    for folder in FOLDERS:
        for node in system.tree.children(folder):
            if node.name.endswith("_key") and ("host" in node.name or folder == DROPBEAR):
                yield f"{folder}/{node.name}"
    yield from system.sshd.every("hostkey")


def sshd_options(system: System) -> Iterator[Finding]:
    """Options that admit passwords, root, and keys outside of files."""
    if not any(map(system.tree.exists, SERVERS)):
        return
    if system.sshd.for_everybody("passwordauthentication", "yes").lower() == "yes":
        text = "The SSH server lets users in by password."
        yield finding("sshd-password", CONFIGURATION, text)
    elif _is_yes(system.sshd.in_blocks("passwordauthentication")):
        text = "The SSH server lets some users in by password (Match, or its command line)."
        yield finding("sshd-password", CONFIGURATION, text)
    elif _asks_pam(system):
        text = "The SSH server has PAM ask for passwords (KbdInteractiveAuthentication)."
        yield finding("sshd-password", CONFIGURATION, text)
    if system.sshd.for_everybody("permitrootlogin", "prohibit-password").lower() == "yes":
        text = "The SSH server lets root in by any means, passwords too."
        yield finding("sshd-root", CONFIGURATION, text)
    elif _is_yes(system.sshd.in_blocks("permitrootlogin")):
        text = "The SSH server lets root in by any means from some places (Match, or its command line)."
        yield finding("sshd-root", CONFIGURATION, text)
    commands = [
        system.sshd.for_everybody("authorizedkeyscommand", "none"),
        *system.sshd.in_blocks("authorizedkeyscommand"),
    ]
    for command in dict.fromkeys(commands):
        if command.lower() != "none":
            text = f"The SSH server asks a program for keys that open accounts: {command}."
            yield finding("sshd-key-command", CONFIGURATION, text)
    if system.sshd.for_everybody("pubkeyauthentication", "yes").lower() == "no":
        text = "The SSH server takes no keys: that of a launch opens nothing."
        yield finding("sshd-no-keys", CONFIGURATION, text)


def _asks_pam(system: System) -> bool:
    """Whether PAM may ask for a password despite `PasswordAuthentication no`."""
    asks = [
        system.sshd.for_everybody("kbdinteractiveauthentication", "yes"),
        *system.sshd.in_blocks("kbdinteractiveauthentication"),
    ]
    pam = [system.sshd.for_everybody("usepam", "no"), *system.sshd.in_blocks("usepam")]
    return _is_yes(pam) and _is_yes(asks)


def _is_yes(values: list[str]) -> bool:
    return any(value.lower() == "yes" for value in values)
