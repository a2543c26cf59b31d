"""The hypervisor of a command on a region with real guests while no server runs. It reaches no guest, and refuses all
work on guests, so that nothing counts as done by mistake.
"""

import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import NoReturn

from souche.compute.base import Firewalls, Guest, GuestNetwork, PowerState
from souche.errors import SystemFailure
from souche.model.disks import DiskSource, GuestDisk, GuestHold


class GuestsNeedServer(SystemFailure):
    """No server runs the region at the moment, and only a server runs guests: start it (`souche serve`)."""


class AbsentHypervisor:
    """See `compute/base.py` and `storage.base.LiveDisks` for the methods. Here they raise GuestsNeedServer. The
    exception: `open_disks` answers for a guest that `is_off`, by its id, because nothing can start guests during the
    call."""

    def __init__(self, network: GuestNetwork, is_off: Callable[[str], bool]) -> None:
        self._network = network
        self._is_off = is_off

    @property
    def accelerator(self) -> str:
        return "none"

    @property
    def network(self) -> GuestNetwork:
        return self._network

    def define(self, guest: Guest) -> None:
        _refuse(guest)

    def protect(self, wanted: Callable[[], Firewalls]) -> None:
        _refuse(wanted)

    def start(self, vm_id: str) -> None:
        _refuse(vm_id)

    def resume(self, vm_id: str) -> None:
        _refuse(vm_id)

    def shut_down(self, vm_id: str, timeout_seconds: float) -> None:
        _refuse(vm_id, timeout_seconds)

    def power_off(self, vm_id: str) -> None:
        _refuse(vm_id)

    def reboot(self, vm_id: str) -> None:
        _refuse(vm_id)

    def remove(self, vm_id: str) -> None:
        _refuse(vm_id)

    def attach(self, vm_id: str, disk: GuestDisk) -> None:
        _refuse(vm_id, disk)

    def detach(self, vm_id: str, volume_id: str) -> None:
        _refuse(vm_id, volume_id)

    def power_states(self) -> Mapping[str, PowerState]:
        _refuse()

    def console(self, vm_id: str) -> bytes:
        _refuse(vm_id)

    def watch(self, changed: Callable[[str], None]) -> None:
        _refuse(changed)

    def open_disks(self, vm_id: str) -> Mapping[str, DiskSource] | None:
        if self._is_off(vm_id):
            return None
        _refuse(vm_id)

    def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
        _refuse(vm_id, sources)

    def resize_disk(self, vm_id: str, volume_id: str, size_bytes: int) -> None:
        _refuse(vm_id, volume_id, size_bytes)

    def shorten_disks(self, vm_id: str, most_files: int) -> None:
        _refuse(vm_id, most_files)

    def serial(self, vm_id: str) -> AbstractContextManager[socket.socket]:
        _refuse(vm_id)

    def screenshot(self, vm_id: str) -> bytes:
        _refuse(vm_id)

    def close(self) -> None:
        """Does nothing: there is no connection."""


def _refuse(*_wanted: object) -> NoReturn:
    raise GuestsNeedServer
