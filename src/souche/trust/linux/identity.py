"""The traces of the author's own VM: its identity, its data, its logs."""

from collections.abc import Iterator
from typing import Final

from souche.model.image_reports import Finding
from souche.trust.codes import finding
from souche.trust.linux.system import System

MACHINE_ID: Final = "/etc/machine-id"
DBUS_ID: Final = "/var/lib/dbus/machine-id"
LEASE_FOLDERS: Final = (
    "/var/lib/dhcp", "/var/lib/dhclient", "/var/lib/dhcp3", "/var/lib/dhcpcd", "/var/lib/NetworkManager",
    "/var/lib/systemd/network",
)  # fmt: skip
NET_RULES: Final = "/etc/udev/rules.d/70-persistent-net.rules"
LOG_DEPTH: Final = 3


def machine_id(system: System) -> Iterator[Finding]:
    """The machine id: all launches would share it."""
    if system.tree.text(MACHINE_ID, 64).strip() not in ("", "uninitialized"):
        yield finding("machine-id", MACHINE_ID, "The machine-id is the same in every launch.")
    node = system.tree.node(DBUS_ID, follow=False)
    if node and node.is_file and node.entry.size:
        yield finding("machine-id", DBUS_ID, "The D-Bus machine-id is the same in every launch.")


def cloud_init_data(system: System) -> Iterator[Finding]:
    """cloud-init's data for another VM, whose user data may contain secrets."""
    for node in system.tree.children("/var/lib/cloud/instances"):
        if node.is_directory:
            text = f"cloud-init's data of the VM '{node.name}', its user data among them."
            yield finding("cloud-init-data", node.path, text, user=node.name)


def leases(system: System) -> Iterator[Finding]:
    """DHCP leases, and rules that tie interfaces to the author's MAC addresses."""
    for folder in LEASE_FOLDERS:
        for node in system.tree.children(folder):
            if node.is_file and node.entry.size and "lease" in node.name:
                yield finding("dhcp-lease", node.path, "A DHCP lease of the author's network.")
    if "ATTR{address}" in system.tree.text(NET_RULES):
        yield finding("persistent-net", NET_RULES, "Interfaces are named by the author's MAC addresses.")


def logs(system: System) -> Iterator[Finding]:
    """Logs of the author's VM."""
    kept = [node for node in system.tree.walk("/var/log", LOG_DEPTH) if node.is_file and node.entry.size]
    if kept:
        size = sum(node.entry.size for node in kept)
        text = f"{len(kept)} log files, of {size} bytes in all, hold names and addresses of the author's VM."
        yield finding("logs", "/var/log", text)
