"""The contract of a hypervisor: it defines, starts, stops and removes guests, and reports their power state.

For every method: the caller chooses the ids. Repeating a call succeeds and changes nothing more. Removing something
that is gone succeeds. Power states are always queried, never cached.

A driver for real guests also provides `souche.storage.base.LiveDisks`, through which the volume store works on the
disks of a running guest, and `GuestConsoles`.
"""

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from souche.model.disks import GuestDisk
from souche.model.images import Architecture, BootMode
from souche.model.security_groups import Rule
from souche.model.vms import SecureBootAction


class PowerState(StrEnum):
    """RUNNING includes a short pause by Souche. OFF: the guest powered itself off. LOST: it is off for another reason:
    its power was cut, its process or its host ended, or it never ran (drivers whose guests cannot be lost report OFF).
    PANICKED: the guest's kernel reported a panic; the guest is stopped, with its disks open, until it is powered off or
    started. HALTED: the guest is stopped because its medium was full at a write; `resume` continues it. An undefined
    guest is not listed."""

    RUNNING = "running"
    HALTED = "halted"
    OFF = "off"
    LOST = "lost"
    PANICKED = "panicked"


@dataclass(frozen=True)
class GuestNetwork:
    """The region's own isolated network. Guests reach metadata at 169.254.169.254 through `gateway_ip`."""

    cidr: str
    gateway_ip: str


@dataclass(frozen=True)
class Guest:
    """The definition of a guest. `disks` are in boot order, the root's first. `next_secure_boot` is the firmware's
    action on its keys at the next start, and at each later start until the guest is defined without it. `secure_boot`
    is its last action, for a guest whose firmware variables are lost."""

    vm_id: str
    vcpus: int
    memory_mib: int
    architecture: Architecture
    boot_mode: BootMode
    disks: tuple[GuestDisk, ...]
    mac_address: str
    private_ip: str
    hostname: str
    nested_virtualization: bool = False
    tpm_enabled: bool = False
    next_secure_boot: SecureBootAction = "none"
    secure_boot: SecureBootAction = "none"


@dataclass(frozen=True)
class Firewalls:
    """The security groups of guests, by VM id, and the rules of groups, by group id. `public_ips` has the public IPs of
    `guests`. `from_scratch`: rebuild the firewalls of the whole region, even if they seem to be correct."""

    guests: Mapping[str, Collection[str]] = field(default_factory=dict)
    groups: Mapping[str, Sequence[Rule]] = field(default_factory=dict)
    from_scratch: bool = False
    public_ips: Mapping[str, str] = field(default_factory=dict)


class Hypervisor(Protocol):
    """The module's docstring applies to every method. All of them raise ComputeFailed, or Unavailable if the hypervisor
    cannot be reached (a retry may succeed)."""

    @property
    def accelerator(self) -> str:
        """The accelerator of guests: "kvm", "tcg", or "none" if no guest runs."""
        ...

    @property
    def network(self) -> GuestNetwork: ...

    def define(self, guest: Guest) -> None:
        """Define the guest, powered off, with its DHCP reservation (MAC to IP). A new guest is in no security group
        until `protect`, so its firewall denies everything. If the guest exists, update its definition for the next
        start; leave its groups and a running guest alone."""
        ...

    def protect(self, wanted: Callable[[], Firewalls]) -> None:
        """Set the security groups of these guests, the rules of these groups, and the guests of these public IPs; in
        force on return. They replace the previous ones. A guest accepts only what the rules of its groups allow;
        established connections may continue. Members named by a rule are the known guests of that group at any moment.
        Unknown guests are ignored.

        A public IP leads to its guest's private address, behind the guest's firewall, from this machine and from other
        guests. Each leads to one guest only: the latest.

        `wanted` runs under a lock shared by all processes of the region, so the caller with the newer view wins. Its
        errors are raised to its own caller only.
        """
        ...

    def start(self, vm_id: str) -> None:
        """Power on, with the guest's firewall already in force. On return its CPUs run. A running guest is success; a
        panicked one restarts from its boot loader."""
        ...

    def resume(self, vm_id: str) -> None:
        """Continue a halted guest: it repeats the write that failed for lack of space, and halts again if there is
        still none. Does nothing to other guests."""
        ...

    def shut_down(self, vm_id: str, timeout_seconds: float) -> None:
        """Ask the guest to power itself off (agent, else ACPI), repeatedly; after `timeout_seconds` cut its power. On
        return the guest is off. A guest that is off or unknown is success."""
        ...

    def power_off(self, vm_id: str) -> None:
        """Cut the power. On return the guest is off."""
        ...

    def reboot(self, vm_id: str) -> None:
        """Restart a running guest within its QEMU process: ask the guest, and reset it if it does not restart within a
        few seconds."""
        ...

    def remove(self, vm_id: str) -> None:
        """Power off and undefine the guest: definition, DHCP reservation and lease, firewall, firmware variables, TPM,
        console log. Its disks stay."""
        ...

    def attach(self, vm_id: str, disk: GuestDisk) -> None:
        """Attach a disk to a guest, immediately if it runs, and for its next start."""
        ...

    def detach(self, vm_id: str, volume_id: str) -> None:
        """Unplug a disk. On return a running guest has closed it.

        Raises:
            ComputeFailed: the running guest did not close it within 30 seconds.
        """
        ...

    def power_states(self) -> Mapping[str, PowerState]:
        """The power state of every guest of this region, by VM id."""
        ...

    def console(self, vm_id: str) -> bytes:
        """The last 64 KiB of the serial console since the last start; empty if there is no output."""
        ...

    def watch(self, changed: Callable[[str], None]) -> None:
        """Call `changed(vm_id)` from a thread of the driver when a guest's power state changes on its own. This only
        saves time: the power sweep does not rely on it."""
        ...

    def close(self) -> None:
        """Close connections and end threads. Guests keep running."""
        ...


class GuestConsoles(Protocol):
    """The serial consoles and screens of guests. Both methods also raise NoConsole: the guest does not run, it is
    simulated, or an earlier version of Souche started it."""

    def serial(self, vm_id: str) -> AbstractContextManager[socket.socket]:
        """A connection to a guest's serial console while the context lives: it receives the guest's output, and sends
        the guest's input. The output must be read continuously, because the guest's kernel waits otherwise. The
        connection ends when the guest is powered off, and survives the guest's own restarts.

        Raises:
            ConsoleTaken: another connection exists, of this process or another.
        """
        ...

    def screenshot(self, vm_id: str) -> bytes:
        """A guest's screen as a PNG."""
        ...
