"""The SSH server: its host keys, and whom it lets in."""

from collections.abc import Iterator

from souche.model.image_reports import Finding
from souche.trust.codes import finding
from souche.trust.linux.accounts import fingerprint
from souche.trust.linux.keys import is_private_key, public_half
from souche.trust.linux.system import System

SERVERS = ("/usr/sbin/sshd", "/usr/bin/sshd", "/etc/ssh/sshd_config")
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
    """Options that let passwords in, and root."""
    if not any(map(system.tree.exists, SERVERS)):
        return
    options = system.sshd
    if options.get("passwordauthentication", "yes").lower() == "yes":
        text = "The SSH server lets users in by password."
        yield finding("sshd-password", "/etc/ssh/sshd_config", text)
    if options.get("permitrootlogin", "prohibit-password").lower() == "yes":
        text = "The SSH server lets root in by any means, passwords too."
        yield finding("sshd-root", "/etc/ssh/sshd_config", text)
