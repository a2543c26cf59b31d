"""The traces of the author's VM: its ids, its data, its addresses, its logs."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from souche.trust.cleaning.changes import (
    Change,
    CleaningRule,
    How,
    deed,
    files_of,
    left,
    real_folder,
    removal,
)
from souche.trust.disks.tree import Node
from souche.trust.linux.identity import DBUS_ID, LEASE_FOLDERS, MACHINE_ID, NET_RULES
from souche.trust.linux.system import System

ID: Final = re.compile(r"[0-9a-f]{32}")
SEEDS: Final = (
    "/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed", "/var/lib/misc/random-seed",
    "/var/lib/systemd/credential.secret", "/var/lib/NetworkManager/secret_key", "/boot/efi/loader/random-seed",
    "/boot/loader/random-seed",
)  # fmt: skip
CLOUD: Final = "/var/lib/cloud"
CLOUD_PARTS: Final = ("data", "instance", "instances", "sem")
"""Not its scripts and seed, which may belong to the image."""
IFCFG: Final = "/etc/sysconfig/network-scripts"
HWADDR: Final = re.compile(rb"(?mi)^[ \t]*(?:HWADDR|MACADDR)=.*\n?")
LOGS: Final = "/var/log"
ROTATED: Final = re.compile(r"(?:\.(?:\d+|old|gz|xz|bz2|zst)|-\d{8}|\.journal~?)$")
MAIL: Final = ("/var/mail", "/var/spool/mail")
DUMPS: Final = ("/var/crash", "/var/lib/systemd/coredump")
TEMPORARY: Final = ("/tmp", "/var/tmp")  # noqa: S108
DEPTH: Final = 8


def machine_id(system: System) -> Iterator[CleaningRule]:
    """Empty the machine id and the seeds of random numbers."""
    node = system.tree.node(MACHINE_ID)
    if node and node.is_file and ID.fullmatch(system.tree.text(MACHINE_ID, 64).strip().replace("-", "")):
        text = "The machine-id was emptied; each launch makes its own."
        yield deed("machine-id", MACHINE_ID, text, Change("empty", node))
    dbus = system.tree.node(DBUS_ID, follow=False)
    if dbus and dbus.is_file and dbus.entry.size:
        yield deed("machine-id", DBUS_ID, "The D-Bus machine-id was removed.", Change("remove", dbus))
    for path in SEEDS:
        seed = system.tree.node(path, follow=False)
        if seed and seed.is_file and seed.entry.size:
            text = "What random numbers or secrets begin with was removed."
            yield deed("random-seed", path, text, Change("remove", seed))


def cloud_init_data(system: System) -> Iterator[CleaningRule]:
    """Remove cloud-init's data and state, so that it runs as at a first boot."""
    yield from left(system, "cloud-init-data", CLOUD)
    if not real_folder(system.tree, CLOUD):
        return
    parts = [node for node in system.tree.children(CLOUD) if node.name in CLOUD_PARTS]
    changes: list[Change] = []
    for part in parts:
        if part.is_directory:
            changes += [Change("remove", each) for each in files_of(system, part.path, DEPTH)]
            changes.append(Change("remove tree", part))
        else:
            changes.append(Change("remove", part))
    if changes:
        names = ", ".join(part.name for part in parts)
        text = f"cloud-init's data of the author's VM was removed ({names})."
        yield deed("cloud-init-data", CLOUD, text, *changes)


def addresses(system: System) -> Iterator[CleaningRule]:
    """Remove DHCP leases, and settings that tie interfaces to the author's MAC addresses."""
    for folder in LEASE_FOLDERS:
        for node in files_of(system, folder, 1):
            if node.is_file and node.entry.size and "lease" in node.name:
                yield deed("dhcp-lease", node.path, "The DHCP lease was removed.", Change("remove", node))
    if "ATTR{address}" in system.tree.text(NET_RULES):
        text = "The rules that name interfaces by the author's MAC addresses were removed."
        yield deed("persistent-net", NET_RULES, text, *removal(system.tree, NET_RULES))
    for node in files_of(system, IFCFG, 1):
        content = system.tree.content(node) if node.is_file and node.name.startswith("ifcfg-") else None
        if content and HWADDR.search(content):
            text = "The author's MAC address was removed."
            yield deed("persistent-net", node.path, text, Change("write", node, HWADDR.sub(b"", content)))


def logs(system: System) -> Iterator[CleaningRule]:
    """Empty logs, and remove rotated ones, those of journald, mail, core dumps and temporary files."""
    yield from left(system, "logs", LOGS)
    kept = [node for node in files_of(system, LOGS, DEPTH) if node.is_file and node.entry.size]
    yield from _many(
        "logs",
        LOGS,
        "Log files that were emptied or removed: {}.",
        [Change(_how(node), node) for node in kept],
    )
    for code, text, folders in (
        ("mail", "Files of mail that were removed: {}.", MAIL),
        ("core-dumps", "Dumps of programs that were removed: {}.", DUMPS),
    ):
        for folder in folders:
            files = [node for node in files_of(system, folder, DEPTH) if node.is_file and node.entry.size]
            yield from _many(code, folder, text, [Change("remove", node) for node in files])
    for folder in TEMPORARY:
        yield from _temporary(system, folder)


def _how(node: Node) -> How:
    return "remove" if ROTATED.search(node.name) else "empty"


def _temporary(system: System, folder: str) -> Iterator[CleaningRule]:
    files = [Change("remove", node) for node in files_of(system, folder, DEPTH)]
    folders = system.tree.children(folder) if real_folder(system.tree, folder) else []
    trees = [
        Change("remove tree", node) for node in folders if node.is_directory and node.name != "lost+found"
    ]
    yield from _many("temporary-files", folder, "Temporary files that were removed: {}.", files, trees)


def _many(
    code: str, folder: str, text: str, changes: Iterable[Change], more: Iterable[Change] = ()
) -> Iterator[CleaningRule]:
    found = list(changes)
    if found:
        yield deed(code, folder, text.format(len(found)), *found, *more)
