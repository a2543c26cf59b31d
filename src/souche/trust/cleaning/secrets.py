"""Private keys, credentials and histories, at the places where the report finds them."""

from collections.abc import Iterator
from typing import Final

from souche.trust.cleaning.changes import Change, CleaningRule, deed, lines_of, removal, whole
from souche.trust.disks.tree import Node
from souche.trust.linux import secrets, ssh
from souche.trust.linux.secrets import ENVIRONMENT_FILES, HISTORIES, SYSTEM_ENVIRONMENT, VARIABLES
from souche.trust.linux.system import System

PUBLIC_HALVES: Final = (".pub", "-cert.pub")
KNOWN_HOSTS: Final = (".ssh/known_hosts", ".ssh/known_hosts.old")
ENVIRONMENT_FOLDERS: Final = ("/etc/profile.d/", "/etc/default/")
NO_SHELLS: Final = ("/etc/environment", "/etc/default/")
DATA_FILES: Final = (".env", ".envrc")


def host_keys(system: System) -> Iterator[CleaningRule]:
    """Remove the keys of SSH servers."""
    for each in ssh.host_keys(system):
        text = "The SSH host key was removed; cloud-init makes another one at the first start."
        yield deed("host-key", each.path, text, *_key(system, each.path))


def private_keys(system: System) -> Iterator[CleaningRule]:
    """Remove private keys, recognised by their content, with their public halves."""
    for each in secrets.private_keys(system):
        text = "The private key was removed. What uses it needs another one."
        yield deed("private-key", each.path, text, *_key(system, each.path), user=each.user)


def _key(system: System, path: str) -> list[Change]:
    """Remove a key and its public half. The key's file is no link."""
    found = [*removal(system.tree, path)]
    for ending in PUBLIC_HALVES:
        node = system.tree.node(f"{path}{ending}", follow=False)
        if node and node.is_file:
            found.append(Change("remove", node))
    return found


def credentials(system: System) -> Iterator[CleaningRule]:
    """Remove files with credentials, and the lines of shells' files that set them."""
    seen: set[str] = set()
    for each in secrets.credentials(system):
        node = system.tree.node(each.path)
        if node is None or node.path in seen:
            continue
        seen.add(node.path)
        if _is_environment(each.path):
            yield from _without_variables(system, each.path, node, each.user)
        else:
            text = "The file with credentials was removed. Revoke what it held."
            if node.path != each.path:
                text = f"The link to credentials was removed; what it led to, {node.path}, was left."
            changes = removal(system.tree, each.path)
            yield deed("cloud-credentials", each.path, text, *changes, user=each.user)


def _is_environment(path: str) -> bool:
    return (
        path in SYSTEM_ENVIRONMENT
        or path.startswith(ENVIRONMENT_FOLDERS)
        or path.rpartition("/")[2] in ENVIRONMENT_FILES
    )


def _without_variables(system: System, path: str, node: Node, user: str | None) -> Iterator[CleaningRule]:
    """Replace a line by a line without effect, because it may be the only one of a block."""
    content = whole(system.tree, node)
    if content is None:
        return
    is_data = path.startswith(NO_SHELLS) or path.rpartition("/")[2] in DATA_FILES
    lines, names = list[str](), list[str]()
    for line in (each.decode("latin-1") for each in lines_of(content)):
        found = VARIABLES.search(line)
        if found is None:
            lines.append(line)
        else:
            names.append(found[1])
            lines += [] if is_data else [":\n"]
    if names:
        text = f"The variables {', '.join(dict.fromkeys(names))} were removed. Revoke what they held."
        change = Change("write", node, "".join(lines).encode("latin-1"))
        yield deed("cloud-credentials", path, text, change, user=user)


def histories(system: System) -> Iterator[CleaningRule]:
    """Remove the histories of shells and other programs, and the names of hosts that users have visited. Of a link,
    only the link itself is removed, because its target may be anything."""
    for user, home in system.homes:
        for name in HISTORIES:
            node = system.tree.node(f"{home}/{name}")
            if node and node.is_file and node.entry.size:
                changes = removal(system.tree, f"{home}/{name}")
                text = f"The history of '{user.name}' was removed."
                yield deed("shell-history", f"{home}/{name}", text, *changes, user=user.name)
        for name in KNOWN_HOSTS:
            known = system.tree.node(f"{home}/{name}", follow=False)
            if known and known.is_file and known.entry.size:
                text = f"The names of hosts that '{user.name}' has visited were removed."
                yield deed("known-hosts", f"{home}/{name}", text, Change("remove", known), user=user.name)
