"""What only real guests do: they power off, print, open files, and leave files."""

import queue
import threading
from pathlib import Path

import pytest
from tools.pause_sector import PAUSE_SECTOR, gaps_seconds

from souche.compute.base import Guest, PowerState
from souche.compute.libvirt.accelerator import boot_sector
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.names import Names
from souche.compute.libvirt.waiting import wait_until
from souche.errors import ComputeFailed
from souche.formats import tiny_disk
from souche.model.disks import GuestDisk
from souche.run import run
from tests.compute import efi_disk
from tests.compute.contract import DATA, DEVICES, Laboratory
from tests.compute.libvirt_guests import PLACES, SLOW_SECONDS, booting, command_line
from tests.compute.libvirt_guests import directory as directory
from tests.compute.libvirt_guests import disks as disks
from tests.compute.libvirt_guests import hypervisor as hypervisor
from tests.compute.libvirt_guests import laboratory as laboratory
from tests.compute.libvirt_guests import names as names
from tests.compute.libvirt_laboratory import DiskShelf
from tests.support import boot_disks

pytestmark = pytest.mark.guest


def test_guest_that_powers_itself_off_is_told_of(laboratory: Laboratory, disks: DiskShelf) -> None:
    hypervisor = laboratory.hypervisor
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    hypervisor.watch(told.put)
    guest = booting(laboratory, disks.boot_disk(boot_sector(b"good bye")))
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    assert wait_until(lambda: hypervisor.power_states()[guest.vm_id] is PowerState.OFF, SLOW_SECONDS)
    assert b"good bye" in hypervisor.console(guest.vm_id)
    assert told.get(timeout=5) == guest.vm_id
    hypervisor.remove(guest.vm_id)


def test_the_tiny_disk_powers_off_at_the_button(
    laboratory: Laboratory, disks: DiskShelf, names: Names
) -> None:
    hypervisor = laboratory.hypervisor
    guest = booting(laboratory, disks.boot_disk(tiny_disk.disk("Smoke")))
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    assert wait_until(lambda: hypervisor.console(guest.vm_id).endswith(b"souche-tiny login: "), SLOW_SECONDS)
    assert b"marker: Smoke" in hypervisor.console(guest.vm_id)
    hypervisor.shut_down(guest.vm_id, SLOW_SECONDS)
    asked = ["virsh", "-c", "qemu:///system", "domstate", "--reason", names.domain(guest.vm_id)]
    assert b"(shutdown)" in run(asked, timeout_seconds=20), "the plug was pulled"
    hypervisor.remove(guest.vm_id)


def test_a_panic_before_the_driver_of_pvpanic_is_told_by_the_console(
    laboratory: Laboratory, disks: DiskShelf, names: Names
) -> None:
    """Until the guest is off or started; a later line shows that the guest continues."""
    hypervisor = laboratory.hypervisor
    said = "[    0.5] ---[ end Kernel panic - not syncing: IO-APIC + timer doesn't work! ]---\r\n"
    guest, other = (
        booting(laboratory, disks.boot_disk(boot_disks.disk(text))) for text in (said, f"{said}more")
    )

    def power(of: Guest) -> PowerState:
        return hypervisor.power_states()[of.vm_id]

    def number() -> bytes:
        """Another after each start."""
        argv = ["virsh", "-c", "qemu:///system", "domid", names.domain(guest.vm_id)]
        return run(argv, timeout_seconds=20)

    for each in (guest, other):
        hypervisor.define(each)
        hypervisor.start(each.vm_id)
    for start_again in (hypervisor.reboot, hypervisor.start):
        assert wait_until(lambda: power(guest) is PowerState.PANICKED, SLOW_SECONDS)
        before = number()
        start_again(guest.vm_id)
        assert number() != before
    assert wait_until(lambda: power(guest) is PowerState.PANICKED, SLOW_SECONDS)
    hypervisor.shut_down(guest.vm_id, timeout_seconds=600)
    assert power(guest) is PowerState.LOST
    assert wait_until(lambda: hypervisor.console(other.vm_id).endswith(b"more"), SLOW_SECONDS)
    assert power(other) is PowerState.RUNNING
    for each in (guest, other):
        hypervisor.remove(each.vm_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"boot_mode": "uefi"},
        {"boot_mode": "uefi", "tpm_enabled": True},
        {"tpm_enabled": True},
        {"architecture": "i386"},
        {"nested_virtualization": True, "vcpus": 2},
    ],
)
def test_every_kind_of_guest_starts_and_leaves_nothing(
    laboratory: Laboratory, disks: DiskShelf, directory: Path, names: Names, changes: dict[str, object]
) -> None:
    hypervisor = laboratory.hypervisor
    guest = booting(laboratory, disks.new_disk(), **changes)
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    if guest.boot_mode == "uefi":
        assert wait_until(lambda: b"UEFI" in hypervisor.console(guest.vm_id), SLOW_SECONDS)
    assert any(guest.vm_id in argv for argv in command_lines())
    hypervisor.remove(guest.vm_id)
    assert not any(guest.vm_id in argv for argv in command_lines())
    assert left_over(names.domain(guest.vm_id)) == []
    assert list((directory / "home" / "guests").iterdir()) == []


UNSIGNED, REFUSED = b"an unsigned loader ran", b"Access Denied"


def test_an_unsigned_loader_does_not_boot_under_secure_boot(
    laboratory: Laboratory, disks: DiskShelf, directory: Path
) -> None:
    """Where the guest's variables are lost, what was enabled is enabled still."""
    hypervisor, root = laboratory.hypervisor, disks.boot_disk(efi_disk.disk(efi_disk.loader(UNSIGNED)))
    guest = booting(laboratory, root, boot_mode="uefi")
    nvram = directory / "home" / "guests" / guest.vm_id / "uefi-variables.fd"

    def told() -> list[bytes]:
        return [each for each in (UNSIGNED, REFUSED) if each in hypervisor.console(guest.vm_id)]

    def after_a_start(**secure_boot: object) -> list[bytes]:
        hypervisor.define(Guest(**{**vars(guest), **secure_boot}))
        hypervisor.start(guest.vm_id)
        assert wait_until(lambda: bool(told()), SLOW_SECONDS)
        hypervisor.power_off(guest.vm_id)
        return told()

    assert after_a_start(next_secure_boot="enable") == [REFUSED]
    assert after_a_start(secure_boot="enable") == [REFUSED]
    nvram.unlink()
    assert after_a_start(secure_boot="enable") == [REFUSED]
    assert after_a_start(secure_boot="enable", next_secure_boot="disable") == [UNSIGNED]
    hypervisor.remove(guest.vm_id)


def test_an_i386_guest_runs_on_the_i386_emulator(laboratory: Laboratory, disks: DiskShelf) -> None:
    hypervisor = laboratory.hypervisor
    root = disks.boot_disk(boot_sector(b"32 bits"))
    guest = booting(laboratory, root, architecture="i386")
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    assert wait_until(lambda: b"32 bits" in hypervisor.console(guest.vm_id), SLOW_SECONDS)
    assert wait_until(lambda: hypervisor.power_states()[guest.vm_id] is PowerState.OFF, SLOW_SECONDS)
    hypervisor.remove(guest.vm_id)


def test_uefi_on_i386_is_refused(laboratory: Laboratory, disks: DiskShelf) -> None:
    guest = booting(laboratory, disks.new_disk(), boot_mode="uefi", architecture="i386")
    with pytest.raises(ComputeFailed, match="only by BIOS"):
        laboratory.hypervisor.define(guest)


def test_guest_is_held_no_longer_than_told(laboratory: Laboratory, disks: DiskShelf) -> None:
    """The guest reads its disk all the time and prints how long each wait over a millisecond was. The
    machine's own hitches look the same, so that the calmest of several switches counts."""
    hypervisor = laboratory.hypervisor
    data = GuestDisk(DATA, DEVICES[DATA], disks.new_disk())
    guest = booting(laboratory, disks.boot_disk(PAUSE_SECTOR), data)
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    assert wait_until(lambda: len(gaps_seconds(hypervisor.console(guest.vm_id))) > 3, SLOW_SECONDS)
    current = {disk.volume_id: disk.source for disk in guest.disks}
    margins = []
    for _ in range(4):
        current = {volume_id: disks.overlay_on(source) for volume_id, source in current.items()}
        before = len(gaps_seconds(hypervisor.console(guest.vm_id)))
        told = hypervisor.switch_disks(guest.vm_id, current).seconds
        threading.Event().wait(0.3)
        seen = max(gaps_seconds(hypervisor.console(guest.vm_id))[before:], default=0.0)
        margins.append(told - seen)
    assert max(margins) >= 0
    hypervisor.remove(guest.vm_id)


def test_console_begins_anew_with_each_start(laboratory: Laboratory, disks: DiskShelf) -> None:
    hypervisor = laboratory.hypervisor
    guest = booting(laboratory, disks.boot_disk(boot_sector(b"once")))
    hypervisor.define(guest)
    for _ in range(2):
        hypervisor.start(guest.vm_id)
        assert wait_until(lambda: hypervisor.power_states()[guest.vm_id] is PowerState.OFF, SLOW_SECONDS)
        assert hypervisor.console(guest.vm_id).count(b"once") == 1
    hypervisor.remove(guest.vm_id)


def test_a_home_that_qemu_cannot_reach_is_refused(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    with pytest.raises(ComputeFailed, match="cannot enter"):
        LibvirtHypervisor(hidden, "10.71.6.0/24")


def command_lines() -> list[str]:
    return [command_line(each) for each in Path("/proc").glob("[0-9]*")]


def left_over(domain_name: str) -> list[Path]:
    """Files of libvirt's that carry a domain's name, of which it uses 20 characters in some."""
    everywhere = (path for place in PLACES for path in Path(place).rglob("*"))
    return [path for path in everywhere if domain_name[:20] in path.name]
