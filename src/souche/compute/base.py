"""The contract of a hypervisor: it defines, starts, stops and removes guests, and tells their power state.

For every method: the ids are the caller's; doing it again after it was done succeeds and changes nothing more;
what is to be removed and is gone already is success. Power states are asked for, never remembered.

A driver for real guests also provides `souche.storage.base.LiveDisks`, by which the volume store
works on the disks of a running guest.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from souche.model.disks import GuestDisk
from souche.model.images import Architecture, BootMode
from souche.model.security_groups import Rule
from souche.model.vms import SecureBootAction


class PowerState(StrEnum):
    """RUNNING includes paused by us for an instant. OFF: the guest powered itself off. LOST: it is off for another
    reason: the plug was pulled, its process or its host ended, or it never ran (OFF from a driver
    whose guests cannot be lost). PANICKED: the guest's kernel said that it had panicked, and stands still since, with
    its disks open, until it is powered off or started. A guest that is not defined is not listed."""

    RUNNING = "running"
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
    """Everything that a guest is made of. `disks` in boot order, the root's first. `next_secure_boot` is what the
    firmware is to do with its keys at the next start, again at each until the guest is defined without; `secure_boot`
    what it has done last, for a guest whose firmware variables are lost."""

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
    """The security groups that guests are in, by VM id, and the rules of groups, by group id. `public_ips` has the
    public IP of those of `guests` that have one. `from_scratch`: make the firewalls of the whole region again, whatever
    the hypervisor believes them to be."""

    guests: Mapping[str, Collection[str]] = field(default_factory=dict)
    groups: Mapping[str, Sequence[Rule]] = field(default_factory=dict)
    from_scratch: bool = False
    public_ips: Mapping[str, str] = field(default_factory=dict)


class Hypervisor(Protocol):
    """See the module's text for what holds of every method. All of them raise ComputeFailed, or Unavailable when
    the hypervisor cannot be reached (worth another try)."""

    @property
    def accelerator(self) -> str:
        """What guests run under: "kvm", "tcg", or "none" where no guest runs."""
        ...

    @property
    def network(self) -> GuestNetwork: ...

    def define(self, guest: Guest) -> None:
        """Make the guest known, off, with its DHCP reservation (MAC to IP). A new one is in no security group until
        `protect`, so it lets nothing in. One known already is redefined for its next start, and stays in its groups; a
        running one keeps running."""
        ...

    def protect(self, wanted: Callable[[], Firewalls]) -> None:
        """Put these guests into these groups and no others, give these groups these rules and no others, and let
        these public IPs and no others lead to these guests; in force on return. A guest lets in what the rules of its
        groups say, and nothing without one; connections that stand already may go on. The members that a rule means are
        the known guests of that group at any moment. Guests that are not known are passed over.

        A public IP leads to its guest's private address, behind the guest's firewall, from this machine and from other
        guests. Each leads to one guest only: the one that was told last.

        `wanted` runs under a lock shared by all processes of the region, so the caller with the newer view wins. What
        it raises is raised to its own caller only."""
        ...

    def start(self, vm_id: str) -> None:
        """Power on, with the guest's firewall in force before. On return its CPUs run. One that runs already is
        success; one that has panicked begins from its boot loader."""
        ...

    def shut_down(self, vm_id: str, timeout_seconds: float) -> None:
        """Ask the guest to power itself off (agent, else ACPI), asking again now and then; after
        `timeout_seconds` pull the plug. On return the guest is off. Off or unknown already is success."""
        ...

    def power_off(self, vm_id: str) -> None:
        """Pull the plug. On return the guest is off."""
        ...

    def reboot(self, vm_id: str) -> None:
        """Restart a running guest without giving up its QEMU process: the guest is asked first; one that does
        not answer within a few seconds is reset."""
        ...

    def remove(self, vm_id: str) -> None:
        """Power off and forget the guest: definition, DHCP reservation and lease, firewall, firmware variables, TPM,
        console log. Its disks stay."""
        ...

    def attach(self, vm_id: str, disk: GuestDisk) -> None:
        """Plug a disk into a guest, at once if it runs, and for its next start in any case."""
        ...

    def detach(self, vm_id: str, volume_id: str) -> None:
        """Unplug a disk. On return a running guest has let go of it.

        Raises:
            ComputeFailed: the running guest did not let go within 30 seconds.
        """
        ...

    def power_states(self) -> Mapping[str, PowerState]:
        """Every guest of this region that the hypervisor knows, by VM id."""
        ...

    def console(self, vm_id: str) -> bytes:
        """The last 64 KiB of the serial console since the last start; empty when there is none."""
        ...

    def watch(self, changed: Callable[[str], None]) -> None:
        """Call `changed(vm_id)` from a thread of the driver's own when a guest's power state changes by itself.
        A hint for speed: the reconcile sweep does not rely on it."""
        ...

    def close(self) -> None:
        """Let go of connections and threads. Guests run on."""
        ...
