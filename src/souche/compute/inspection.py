"""The hypervisor's state of a region, for `souche fsck`. Changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from souche.compute.base import Firewalls
from souche.model.disks import DiskSource


@dataclass(frozen=True)
class SeenGuest:
    """A known guest. `disks` are its open disks, by volume id; None: it is off."""

    disks: Mapping[str, DiskSource] | None


@dataclass(frozen=True)
class ComputeState:
    """Guests by VM id. `reservations`: the address that DHCP gives to each MAC; None without DHCP. `firewalls`: the
    wanted firewalls of guests and groups. `firewalls_loaded`: whether any firewall is in force."""

    guests: Mapping[str, SeenGuest]
    reservations: Mapping[str, str] | None
    firewalls: Firewalls
    firewalls_loaded: bool = True


class ComputeInspector(Protocol):
    def inspect(self) -> ComputeState:
        """Inspect every guest.

        Raises:
            Unavailable, ComputeFailed: it cannot be asked.
        """
        ...
