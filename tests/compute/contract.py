"""What every hypervisor must do. A driver's own test makes a `Laboratory` and runs this suite over it.

The guests have no operating system: nothing here needs one.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import count
from typing import Protocol

import pytest

from souche.compute.base import Firewalls, Guest, GuestConsoles, Hypervisor, PowerState
from souche.errors import ComputeFailed
from souche.model.disks import DiskSource, GuestDisk
from souche.model.security_groups import Rule
from souche.refusals import NoConsole
from souche.storage.base import LiveDisks
from tests.support.polling import eventually

UNKNOWN = "i-ffffffff"
ROOT, DATA, SPARE = "vol-0000000a", "vol-0000000b", "vol-0000000c"
DEVICES = {ROOT: "/dev/sda1", DATA: "/dev/xvdb", SPARE: "/dev/xvdc"}

MEBIBYTE = 1024 * 1024
GROUP = "sg-0000000a"
PUBLIC_IP = "198.19.0.1"
SSH = Rule("tcp", 22, 22, "10.0.0.0/8")

numbers = count(16)


def unplugged(hypervisor: Hypervisor) -> PowerState:
    """The state of a guest that never ran, or whose plug was pulled: a driver of real guests says that it did not power
    itself off."""
    return PowerState.OFF if hypervisor.accelerator == "none" else PowerState.LOST


class LiveHypervisor(Hypervisor, LiveDisks, GuestConsoles, Protocol):
    """What the drivers are: the hypervisor, the volume store's way to running guests, and their consoles."""


def _never_panics(_guest: Guest) -> None:
    raise NotImplementedError


@dataclass(frozen=True)
class Laboratory:
    """A driver to try, another object of the same region, a driver of another region, and disks for
    guests. `panic` starts a guest that is defined, and has its kernel panic. `halt` has it write more than its disk
    has room for, until `make_room`."""

    hypervisor: LiveHypervisor
    reopened: LiveHypervisor
    neighbour: LiveHypervisor
    new_disk: Callable[[], DiskSource]
    overlay_on: Callable[[DiskSource], DiskSource]
    panic: Callable[[Guest], None] = _never_panics
    halt: Callable[[Guest], None] = _never_panics
    make_room: Callable[[], object] = bool
    told: Callable[[], Firewalls] = Firewalls
    """the firewalls that the hypervisor has"""

    def guest(self, *disks: GuestDisk) -> Guest:
        """A guest with an id, addresses and a root disk of its own, and `disks`."""
        number = next(numbers)
        return Guest(
            vm_id=f"i-{number:08x}",
            vcpus=1,
            memory_mib=64,
            architecture="x86_64",
            boot_mode="legacy",
            disks=(self.disk(ROOT), *disks),
            mac_address=f"AA:00:00:00:00:{number:02X}",
            private_ip=str(ip_network(self.hypervisor.network.cidr)[number]),
            hostname=f"ip-{number}.souche.internal",
        )

    def disk(self, volume_id: str) -> GuestDisk:
        return GuestDisk(volume_id, DEVICES[volume_id], self.new_disk())


class HypervisorContract:
    """The suite. Subclasses give the fixture `laboratory`."""

    @pytest.fixture
    def hypervisor(self, laboratory: Laboratory) -> LiveHypervisor:
        return laboratory.hypervisor

    @pytest.fixture
    def guest(self, laboratory: Laboratory) -> Iterator[Guest]:
        """A guest with two disks, defined and off."""
        made = laboratory.guest(laboratory.disk(DATA))
        laboratory.hypervisor.define(made)
        yield made
        laboratory.hypervisor.remove(made.vm_id)

    @pytest.fixture
    def running(self, hypervisor: LiveHypervisor, guest: Guest) -> Guest:
        hypervisor.start(guest.vm_id)
        return guest

    def test_gateway_is_in_the_network(self, hypervisor: LiveHypervisor) -> None:
        network = hypervisor.network
        assert ip_address(network.gateway_ip) in ip_network(network.cidr)

    def test_accelerator_is_known(self, hypervisor: LiveHypervisor) -> None:
        expected = {"none"} if hypervisor.accelerator == "none" else {"kvm", "tcg"}
        assert hypervisor.accelerator in expected

    def test_defined_guest_is_off(self, hypervisor: LiveHypervisor, guest: Guest) -> None:
        hypervisor.define(guest)
        assert hypervisor.power_states()[guest.vm_id] is unplugged(hypervisor)
        assert hypervisor.open_disks(guest.vm_id) is None

    def test_started_guest_runs(self, laboratory: Laboratory, running: Guest) -> None:
        laboratory.hypervisor.start(running.vm_id)
        assert laboratory.hypervisor.power_states()[running.vm_id] is PowerState.RUNNING
        assert laboratory.hypervisor.open_disks(running.vm_id) == _sources(running)

    def test_states_are_asked_for_not_remembered(self, laboratory: Laboratory, running: Guest) -> None:
        assert laboratory.reopened.power_states()[running.vm_id] is PowerState.RUNNING
        laboratory.reopened.power_off(running.vm_id)
        assert laboratory.hypervisor.power_states()[running.vm_id] is unplugged(laboratory.hypervisor)

    def test_regions_do_not_see_each_other(self, laboratory: Laboratory, running: Guest) -> None:
        assert running.vm_id not in laboratory.neighbour.power_states()
        laboratory.neighbour.remove(running.vm_id)
        assert laboratory.hypervisor.power_states()[running.vm_id] is PowerState.RUNNING

    def test_power_off(self, hypervisor: LiveHypervisor, running: Guest) -> None:
        for _ in range(2):
            hypervisor.power_off(running.vm_id)
            assert hypervisor.power_states()[running.vm_id] is unplugged(hypervisor)

    def test_shut_down_pulls_the_plug_in_the_end(self, hypervisor: LiveHypervisor, running: Guest) -> None:
        for _ in range(2):
            hypervisor.shut_down(running.vm_id, timeout_seconds=0.5)
            assert hypervisor.power_states()[running.vm_id] is unplugged(hypervisor)

    def test_reboot_keeps_it_running(self, hypervisor: LiveHypervisor, running: Guest) -> None:
        hypervisor.reboot(running.vm_id)
        assert hypervisor.power_states()[running.vm_id] is PowerState.RUNNING

    def test_reboot_of_a_guest_that_is_off_fails(self, hypervisor: LiveHypervisor, guest: Guest) -> None:
        with pytest.raises(ComputeFailed):
            hypervisor.reboot(guest.vm_id)

    @pytest.mark.parametrize("ended_by", ["power_off", "shut_down", "start", "reboot"])
    def test_a_panic_is_told_until_the_guest_is_off_or_started(
        self, laboratory: Laboratory, guest: Guest, ended_by: str
    ) -> None:
        hypervisor, vm_id = laboratory.hypervisor, guest.vm_id
        laboratory.panic(guest)
        eventually(lambda: laboratory.reopened.power_states()[vm_id] is PowerState.PANICKED, 60)
        assert hypervisor.open_disks(vm_id) is not None
        hypervisor.define(guest)
        if ended_by == "shut_down":
            hypervisor.shut_down(vm_id, timeout_seconds=600)
        else:
            getattr(hypervisor, ended_by)(vm_id)
        off = ended_by in ("power_off", "shut_down")
        assert hypervisor.power_states()[vm_id] is (unplugged(hypervisor) if off else PowerState.RUNNING)

    def test_a_guest_that_finds_no_room_stands_still_until_it_may_go_on(
        self, laboratory: Laboratory, guest: Guest
    ) -> None:
        hypervisor, vm_id = laboratory.hypervisor, guest.vm_id
        laboratory.halt(guest)
        eventually(lambda: laboratory.reopened.power_states()[vm_id] is PowerState.HALTED, 60)
        laboratory.make_room()
        for _ in range(2):
            hypervisor.resume(vm_id)
            assert hypervisor.power_states()[vm_id] is PowerState.RUNNING
        hypervisor.power_off(vm_id)
        hypervisor.resume(vm_id)
        assert hypervisor.power_states()[vm_id] is unplugged(hypervisor)
        hypervisor.resume(UNKNOWN)

    def test_removed_guest_is_gone(self, hypervisor: LiveHypervisor, running: Guest) -> None:
        for _ in range(2):
            hypervisor.remove(running.vm_id)
            assert running.vm_id not in hypervisor.power_states()
            assert hypervisor.open_disks(running.vm_id) is None
            assert hypervisor.console(running.vm_id) == b""

    def test_unknown_guest_is_off_and_gone(self, hypervisor: LiveHypervisor) -> None:
        hypervisor.power_off(UNKNOWN)
        hypervisor.shut_down(UNKNOWN, timeout_seconds=0.5)
        hypervisor.remove(UNKNOWN)
        hypervisor.detach(UNKNOWN, DATA)
        assert hypervisor.console(UNKNOWN) == b""
        assert hypervisor.open_disks(UNKNOWN) is None

    def test_unknown_guest_cannot_be_used(self, laboratory: Laboratory) -> None:
        hypervisor = laboratory.hypervisor
        with pytest.raises(ComputeFailed):
            hypervisor.start(UNKNOWN)
        with pytest.raises(ComputeFailed):
            hypervisor.reboot(UNKNOWN)
        with pytest.raises(ComputeFailed):
            hypervisor.attach(UNKNOWN, laboratory.disk(DATA))
        with pytest.raises(ComputeFailed):
            hypervisor.switch_disks(UNKNOWN, {})

    def test_a_guest_that_does_not_run_has_no_console(self, hypervisor: LiveHypervisor, guest: Guest) -> None:
        for vm_id in (guest.vm_id, UNKNOWN):
            with pytest.raises(NoConsole), hypervisor.serial(vm_id):
                pass
            with pytest.raises(NoConsole):
                hypervisor.screenshot(vm_id)

    def test_redefinition_counts_from_the_next_start(self, laboratory: Laboratory, running: Guest) -> None:
        hypervisor = laboratory.hypervisor
        changed = laboratory.guest(laboratory.disk(SPARE))
        changed = Guest(**{**vars(changed), "vm_id": running.vm_id})
        hypervisor.define(changed)
        assert hypervisor.open_disks(running.vm_id) == _sources(running)
        hypervisor.power_off(running.vm_id)
        hypervisor.start(running.vm_id)
        assert hypervisor.open_disks(running.vm_id) == _sources(changed)

    def test_attach_to_a_running_guest(self, laboratory: Laboratory, running: Guest) -> None:
        hypervisor, spare = laboratory.hypervisor, laboratory.disk(SPARE)
        expected = _sources(running) | {SPARE: spare.source}
        for _ in range(2):
            hypervisor.attach(running.vm_id, spare)
            assert hypervisor.open_disks(running.vm_id) == expected
        assert _after_restart(hypervisor, running.vm_id) == expected

    def test_attach_to_a_guest_that_is_off(self, laboratory: Laboratory, guest: Guest) -> None:
        former, spare = laboratory.disk(SPARE), laboratory.disk(SPARE)
        for each in (former, spare, spare):
            laboratory.hypervisor.attach(guest.vm_id, each)
        expected = _sources(guest) | {SPARE: spare.source}
        assert _after_restart(laboratory.hypervisor, guest.vm_id) == expected

    def test_detach_from_a_running_guest(self, hypervisor: LiveHypervisor, running: Guest) -> None:
        for _ in range(2):
            hypervisor.detach(running.vm_id, DATA)
            assert (hypervisor.open_disks(running.vm_id) or {}).keys() == {ROOT}
        assert (_after_restart(hypervisor, running.vm_id) or {}).keys() == {ROOT}

    def test_detach_from_a_guest_that_is_off(self, hypervisor: LiveHypervisor, guest: Guest) -> None:
        for _ in range(2):
            hypervisor.detach(guest.vm_id, DATA)
        assert (_after_restart(hypervisor, guest.vm_id) or {}).keys() == {ROOT}

    def test_resize_of_a_running_guests_disk(self, hypervisor: LiveHypervisor, running: Guest) -> None:
        for size_bytes in (128 * MEBIBYTE, 128 * MEBIBYTE, 96 * MEBIBYTE):
            hypervisor.resize_disk(running.vm_id, DATA, size_bytes)
        assert hypervisor.open_disks(running.vm_id) == _sources(running)

    def test_resize_needs_a_running_guest_with_the_disk(
        self, hypervisor: LiveHypervisor, guest: Guest
    ) -> None:
        for vm_id in (UNKNOWN, guest.vm_id):
            with pytest.raises(ComputeFailed):
                hypervisor.resize_disk(vm_id, DATA, 128 * MEBIBYTE)
        hypervisor.start(guest.vm_id)
        with pytest.raises(ComputeFailed):
            hypervisor.resize_disk(guest.vm_id, SPARE, 128 * MEBIBYTE)

    def test_shortening_changes_no_disk(self, laboratory: Laboratory, running: Guest) -> None:
        hypervisor, off = laboratory.hypervisor, laboratory.guest()
        hypervisor.define(off)
        before = hypervisor.open_disks(running.vm_id)
        for vm_id in (running.vm_id, off.vm_id, "i-00000000"):
            hypervisor.shorten_disks(vm_id, 1)
        assert hypervisor.open_disks(running.vm_id) == before

    def test_protect_passes_over_unknown_guests(self, hypervisor: LiveHypervisor, running: Guest) -> None:
        """Packets test the firewalls: test_libvirt_firewall."""
        wanted = Firewalls({UNKNOWN: [GROUP], running.vm_id: [GROUP]}, {GROUP: [SSH]})
        for _ in range(2):
            hypervisor.protect(lambda: wanted)
        assert UNKNOWN not in hypervisor.power_states()
        assert hypervisor.power_states()[running.vm_id] is PowerState.RUNNING

    def test_a_public_ip_leads_to_one_guest_the_last_one_told(self, laboratory: Laboratory) -> None:
        hypervisor, guests = laboratory.hypervisor, (laboratory.guest(), laboratory.guest())
        for guest in guests:
            hypervisor.define(guest)
        first, second = (guest.vm_id for guest in guests)
        for vm_id in (first, second, second):
            wanted = Firewalls({vm_id: [GROUP]}, public_ips={vm_id: PUBLIC_IP})
            hypervisor.protect(lambda wanted=wanted: wanted)  # type: ignore[misc]
            assert laboratory.told().public_ips == {vm_id: PUBLIC_IP}
        hypervisor.define(guests[1])
        assert laboratory.told().public_ips == {second: PUBLIC_IP}
        hypervisor.protect(lambda: Firewalls({second: [GROUP]}))
        assert laboratory.told().public_ips == {}
        hypervisor.protect(lambda: Firewalls({first: [GROUP]}, public_ips={first: PUBLIC_IP}))
        hypervisor.remove(first)
        assert laboratory.told().public_ips == {}
        hypervisor.remove(second)

    def test_what_one_protect_raises_is_not_anothers(self, hypervisor: LiveHypervisor, guest: Guest) -> None:
        """Of calls that come together, also in the driver."""
        together = threading.Barrier(6)

        def protect(number: int) -> str:
            together.wait(10)
            try:
                hypervisor.protect(lambda: _wanted_by(number, guest))
            except ComputeFailed as error:
                return str(error)
            return ""

        with ThreadPoolExecutor(6) as threads:
            said = list(threads.map(protect, range(6)))
        assert ["3" in each for each in said] == [number == 3 for number in range(6)]

    def test_switch_disks(self, laboratory: Laboratory, running: Guest) -> None:
        hypervisor, spare = laboratory.hypervisor, laboratory.disk(SPARE)
        hypervisor.attach(running.vm_id, spare)
        overlays = {id_: laboratory.overlay_on(source) for id_, source in _sources(running).items()}
        expected = overlays | {SPARE: spare.source}
        for _ in range(2):
            assert hypervisor.switch_disks(running.vm_id, overlays).seconds >= 0.0
            assert hypervisor.open_disks(running.vm_id) == expected
        assert _after_restart(hypervisor, running.vm_id) == expected

    def test_switch_disks_of_an_unknown_volume_changes_nothing(
        self, laboratory: Laboratory, running: Guest
    ) -> None:
        overlay = laboratory.overlay_on(running.disks[0].source)
        with pytest.raises(ComputeFailed):
            laboratory.hypervisor.switch_disks(running.vm_id, {ROOT: overlay, SPARE: overlay})
        assert laboratory.hypervisor.open_disks(running.vm_id) == _sources(running)

    def test_switch_disks_of_a_guest_that_is_off(self, laboratory: Laboratory, guest: Guest) -> None:
        overlay = laboratory.overlay_on(guest.disks[0].source)
        with pytest.raises(ComputeFailed):
            laboratory.hypervisor.switch_disks(guest.vm_id, {ROOT: overlay})


def _wanted_by(number: int, guest: Guest) -> Firewalls:
    if number == 3:
        raise ComputeFailed(reason="number 3 breaks")
    return Firewalls({guest.vm_id: [GROUP]}, {GROUP: [SSH]})


def _sources(guest: Guest) -> dict[str, DiskSource]:
    return {disk.volume_id: disk.source for disk in guest.disks}


def _after_restart(hypervisor: LiveHypervisor, vm_id: str) -> Mapping[str, DiskSource] | None:
    """The disks that a guest has when it is started (again)."""
    hypervisor.power_off(vm_id)
    hypervisor.start(vm_id)
    return hypervisor.open_disks(vm_id)
