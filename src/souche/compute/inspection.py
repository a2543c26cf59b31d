"""What a hypervisor has of a region: for `souche fsck`, which changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from souche.compute.base import Firewalls
from souche.model.disks import DiskSource


@dataclass(frozen=True)
class SeenGuest:
    """A guest that is known. `disks` are those that it has open, by volume id; None: it is off."""

    disks: Mapping[str, DiskSource] | None


@dataclass(frozen=True)
class ComputeState:
    """Guests by VM id. `reservations`: the address that DHCP gives to each MAC; None where there is no DHCP.
    `firewalls`: what guests and groups were told to be; `firewalls_loaded`: whether there is anything in force."""

    guests: Mapping[str, SeenGuest]
    reservations: Mapping[str, str] | None
    firewalls: Firewalls
    firewalls_loaded: bool = True


class ComputeInspector(Protocol):
    def inspect(self) -> ComputeState:
        """Look at every guest.

        Raises:
            Unavailable, ComputeFailed: it cannot be asked.
        """
        ...
