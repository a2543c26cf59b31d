"""Checks whether a launch boots, finds its disks and its network, and gets its key."""

import re
from collections.abc import Iterator
from typing import Final

from souche.model.image_reports import Finding
from souche.trust.codes import finding
from souche.trust.linux.system import System

DEVICE: Final = re.compile(r"^/dev/(?:sd|vd|hd|xvd)[a-z]+\d*$")
ROOT_DEVICE: Final = re.compile(r"\broot=(/dev/(?:sd|vd|hd|xvd)[a-z]+\d*)\b")
GRUB_FILES: Final = (
    "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/extlinux.conf",
    "/boot/syslinux.cfg",
)
CLOUD_INIT: Final = ("/usr/bin/cloud-init", "/usr/local/bin/cloud-init", "/bin/cloud-init")
OTHERS: Final = (
    "/usr/bin/afterburn", "/usr/bin/ignition", "/usr/lib/dracut/modules.d/30ignition", "/sbin/tiny-cloud",
    "/usr/libexec/cloud-init", "/usr/sbin/cloud-init",
)  # fmt: skip
DISABLED: Final = "/etc/cloud/cloud-init.disabled"
SOURCES: Final = re.compile(
    r"(?m)^[ \t]*datasource_list[ \t]*:\s*\[([^\]]*)\]|^[ \t]*datasource_list[ \t]*:\s*\n((?:\s*-\s*\S+\n?)+)"
)
VIRTIO: Final = (("virtio_blk", "virtio_scsi"), ("virtio_net",))


def fstab(system: System) -> Iterator[Finding]:
    """File systems named by devices, whose names differ from VM to VM."""
    for line in system.tree.lines("/etc/fstab"):
        fields = line.split()
        if fields and DEVICE.match(fields[0]):
            yield finding("fstab-device", "/etc/fstab", f"{fields[0]} is named by its device.")
    for path in GRUB_FILES:
        found = ROOT_DEVICE.search(system.tree.text(path))
        if found:
            yield finding("fstab-device", path, f"The kernel is told that its root is {found[1]}.")


def virtio(system: System) -> Iterator[Finding]:
    """A kernel whose drivers support neither disk nor network here."""
    versions = [node for node in system.tree.children("/lib/modules") if node.is_directory]
    for node in versions:
        known = system.tree.text(f"{node.path}/modules.builtin") + system.tree.text(
            f"{node.path}/modules.dep", 8 << 20
        )
        if known and not all(any(f"/{name}.ko" in known for name in names) for names in VIRTIO):
            yield finding("no-virtio", node.path, f"The kernel {node.name} has no virtio drivers.")


def cloud_init(system: System) -> Iterator[Finding]:
    """Checks whether a launch's key is installed."""
    if not any(map(system.tree.exists, (*CLOUD_INIT, *OTHERS))):
        text = "There is no cloud-init: the key of a launch does not arrive."
        yield finding("no-cloud-init", "/usr/bin/cloud-init", text)
    elif system.tree.exists(DISABLED):
        yield finding("no-cloud-init", DISABLED, "cloud-init is switched off.")
    else:
        yield from _data_source(system)


def _data_source(system: System) -> Iterator[Finding]:
    """The last file that names data sources wins."""
    parts = system.tree.children("/etc/cloud/cloud.cfg.d")
    paths = ["/etc/cloud/cloud.cfg", *(node.path for node in parts if node.name.endswith(".cfg"))]
    for path in reversed(paths):
        found = SOURCES.search(system.tree.text(path))
        if found:
            if "ec2" not in found[0].lower():
                yield finding("no-cloud-init", path, "cloud-init does not ask the Ec2 data source.")
            return


def loaders(system: System) -> Iterator[Finding]:
    """Checks for a kernel, and for a boot loader for each boot mode that the image declares."""
    kernels = [
        node.name
        for node in (*system.tree.children("/boot"), *system.tree.children("/boot/loader/entries"))
        if node.name.startswith(("vmlinu", "bzImage", "kernel"))
    ]
    if not kernels and not system.tree.exists("/vmlinuz"):
        yield finding("boot-loader", "/boot", "There is no kernel.")
