"""Files in places where none belong: setuid and world-writable ones."""

from collections.abc import Iterator
from typing import Final

from souche.model.image_reports import Finding
from souche.trust.codes import finding
from souche.trust.disks.files import SETUID, WORLD_WRITABLE
from souche.trust.disks.tree import Node
from souche.trust.linux.system import System

NO_SETUID: Final = ("/home", "/root", "/tmp", "/var/tmp", "/srv", "/dev", "/var/www", "/var/lib/cloud")  # noqa: S108
NOT_WRITABLE: Final = ("/etc", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/root", "/boot")
DEPTH: Final = 4
MOST: Final = 50


def _has(node: Node, bit: int) -> bool:
    """Whether a file has a bit of its mode: FAT and NTFS have no modes."""
    has_modes = node.found.files.kind not in ("vfat", "ntfs")
    return node.is_file and has_modes and bool(node.entry.mode & bit)


def setuid_files(system: System) -> Iterator[Finding]:
    """Setuid programs outside of the places where packages put them."""
    number = 0
    for folder in NO_SETUID:
        for node in system.tree.walk(folder, DEPTH):
            if _has(node, SETUID) and number < MOST:
                number += 1
                text = f"A file with the setuid bit, owned by the user {node.entry.uid}."
                yield finding("setuid-file", node.path, text)


def world_writable(system: System) -> Iterator[Finding]:
    """Files of the system that every user may change."""
    number = 0
    for folder in NOT_WRITABLE:
        for node in system.tree.walk(folder, 2 if folder != "/etc" else DEPTH):
            if _has(node, WORLD_WRITABLE) and number < MOST:
                number += 1
                yield finding("world-writable", node.path, "Every user may change this file.")
