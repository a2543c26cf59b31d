"""What real guests do that records do not: they switch off by themselves, print, hold files, leave things
behind."""

import json
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.pause_sector import PAUSE_SECTOR, gaps_seconds

from souche.compute.base import Guest, PowerState
from souche.compute.libvirt import live_disks
from souche.compute.libvirt.accelerator import boot_sector
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.host_paths import qemu_group
from souche.compute.libvirt.names import Names, home_tag
from souche.compute.libvirt.waiting import wait_until
from souche.errors import ComputeFailed
from souche.formats import tiny_disk
from souche.formats.qcow2 import read_header
from souche.home import Home
from souche.model.disks import FileSource, GuestDisk
from souche.run import run
from souche.storage.base import Capture
from souche.storage.qcow2 import Qcow2Store
from tests.compute import efi_disk
from tests.compute.contract import DATA, DEVICES, ROOT, Laboratory
from tests.compute.libvirt_laboratory import DiskShelf, reachable_directory, region
from tests.support import boot_disks

pytestmark = pytest.mark.guest

SLOW_SECONDS = 60.0  # for a guest under TCG on a busy machine
PLACES = ("/var/lib/libvirt", "/var/log/libvirt", "/run/libvirt", "/var/log/swtpm")
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with reachable_directory() as made:
        yield made


@pytest.fixture(scope="module")
def disks(directory: Path) -> DiskShelf:
    return DiskShelf(directory)


@pytest.fixture(scope="module")
def hypervisor(directory: Path) -> Iterator[LibvirtHypervisor]:
    with region(directory / "home", "10.71.5.0/24") as made:
        yield made


@pytest.fixture
def laboratory(hypervisor: LibvirtHypervisor, disks: DiskShelf) -> Laboratory:
    return Laboratory(hypervisor, hypervisor, hypervisor, disks.new_disk, disks.overlay_on)


@pytest.fixture
def names(directory: Path) -> Names:
    return Names(home_tag(directory / "home"))


def booting(laboratory: Laboratory, root: FileSource, *others: GuestDisk, **changes: object) -> Guest:
    guest = laboratory.guest()
    all_disks = (GuestDisk(ROOT, DEVICES[ROOT], root), *others)
    return Guest(**{**vars(guest), "disks": all_disks, **changes})


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
    """Until the guest is off or started; a line after it is a guest that goes on."""
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


def test_a_longer_chain_than_libvirt_opens_is_refused_with_what_mends_it(
    laboratory: Laboratory, disks: DiskShelf
) -> None:
    hypervisor = laboratory.hypervisor
    source = disks.new_disk()
    for _ in range(199):
        source = disks.overlay_on(source)
    guest = booting(laboratory, source)
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    with pytest.raises(ComputeFailed, match="stop and start it"):
        hypervisor.switch_disks(guest.vm_id, {ROOT: disks.overlay_on(source)})
    assert hypervisor.power_states()[guest.vm_id] is PowerState.RUNNING
    hypervisor.remove(guest.vm_id)


def layered(disks: DiskShelf, files: int) -> FileSource:
    """A disk on a chain of this many files, each with its own MiB: it holds 1, 2, 3..."""
    source = disks.new_disk()
    for number in range(files):
        pattern = f"write -q -P {number + 1} {number}M 1M"
        run(["qemu-io", "-f", "qcow2", "-c", pattern, source.path], timeout_seconds=20)
        source = disks.overlay_on(source)
    return source


def holds_what_was_written(source: FileSource, files: int) -> bool:
    patterns = [f"read -P {number + 1} {number}M 1M" for number in range(files)]
    commands = [argument for pattern in patterns for argument in ("-c", pattern)]
    said = run(["qemu-io", "-f", "qcow2", *commands, source.path], timeout_seconds=20)
    return b"failed" not in said and said.count(b"read 1048576/1048576") == files


def test_a_running_guests_disk_stands_on_the_lowest_file_again(
    laboratory: Laboratory, disks: DiskShelf
) -> None:
    hypervisor, source = laboratory.hypervisor, layered(disks, 20)
    guest = booting(laboratory, source)
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    before = chain(source.path)
    hypervisor.shorten_disks(guest.vm_id, 20)
    assert chain(source.path) == before
    hypervisor.shorten_disks(guest.vm_id, 19)
    assert wait_until(lambda: chain(source.path) == [before[0], before[-1]], SLOW_SECONDS)
    with source.path.open("rb") as file:
        assert read_header(file).backing_file == before[-1].name, "as the store names it"
    overlay = disks.overlay_on(source)
    hypervisor.switch_disks(guest.vm_id, {ROOT: overlay})
    hypervisor.remove(guest.vm_id)
    assert holds_what_was_written(overlay, 20)


def test_a_volume_outlives_all_that_its_chain_was_shortened_from(
    laboratory: Laboratory, directory: Path
) -> None:
    """Merges and removals on the medium, under a QEMU that has the old files open, before and after."""
    home = Home(directory / "volumes")
    home.make()
    home.make_disks()
    home.narrow(qemu_group())
    hypervisor, store = laboratory.hypervisor, Qcow2Store(home.path, max_chain=3)
    store.create_volume(DATA, 64 * MEBIBYTE)
    snapshots = [f"snap-{number:08x}" for number in range(12)]
    for number, snapshot_id in enumerate(snapshots[:6]):
        pattern = f"write -q -P {number + 1} {number}M 1M"
        path = store.volume_source(DATA).path
        run(["qemu-io", "-f", "qcow2", "-c", pattern, path], timeout_seconds=20)
        store.capture([Capture(DATA, snapshot_id)], vm_id=None, live=None)
    guest = laboratory.guest(GuestDisk(DATA, DEVICES[DATA], store.volume_source(DATA)))
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    for snapshot_id in snapshots[6:]:
        store.capture([Capture(DATA, snapshot_id)], vm_id=guest.vm_id, live=hypervisor)
        store.delete_snapshot(snapshots[snapshots.index(snapshot_id) - 5])
        store.collect()
    hypervisor.shorten_disks(guest.vm_id, 4)
    assert wait_until(lambda: len(chain(store.volume_source(DATA).path)) == 2, SLOW_SECONDS)
    for snapshot_id in snapshots:
        store.delete_snapshot(snapshot_id)
    for _ in range(2):
        store.collect()
    assert len(list((directory / "volumes" / "disks" / "layers").iterdir())) == 2
    hypervisor.remove(guest.vm_id)
    assert holds_what_was_written(store.volume_source(DATA), 6)


@pytest.mark.parametrize("change", ["capture", "growth", "removal"])
def test_what_is_done_to_a_disk_does_not_wait_for_its_shortening(
    laboratory: Laboratory, disks: DiskShelf, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(live_disks, "SHORTENING_MIB_PER_SECOND", 1)
    hypervisor, source = laboratory.hypervisor, layered(disks, 20)
    guest = laboratory.guest(GuestDisk(DATA, DEVICES[DATA], source))
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    hypervisor.shorten_disks(guest.vm_id, 8)
    if change == "capture":
        overlay = disks.overlay_on(source)
        hypervisor.switch_disks(guest.vm_id, {DATA: overlay})
        assert len(chain(overlay.path)) == 22
    elif change == "growth":
        hypervisor.resize_disk(guest.vm_id, DATA, 128 * MEBIBYTE)
    else:
        hypervisor.detach(guest.vm_id, DATA)
    hypervisor.remove(guest.vm_id)
    assert len(chain(source.path)) == 21
    assert holds_what_was_written(source, 20)


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


def test_qemu_writes_to_the_overlays_after_a_switch(laboratory: Laboratory, names: Names) -> None:
    hypervisor, guest = laboratory.hypervisor, laboratory.guest(laboratory.disk(DATA))
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    overlays = {disk.volume_id: laboratory.overlay_on(disk.source) for disk in guest.disks}
    hypervisor.switch_disks(guest.vm_id, overlays)
    for disk in guest.disks:
        overlay = overlays[disk.volume_id]
        assert isinstance(overlay, FileSource)
        assert isinstance(disk.source, FileSource)
        assert chain(overlay.path) == [overlay.path, disk.source.path]
        assert opened_by_qemu(guest.vm_id, overlay.path) == "writing"
        assert opened_by_qemu(guest.vm_id, disk.source.path) == "reading"
    hypervisor.remove(guest.vm_id)


def test_a_running_guests_disk_grows_and_never_shrinks(laboratory: Laboratory) -> None:
    hypervisor, guest = laboratory.hypervisor, laboratory.guest(laboratory.disk(DATA))
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    for asked, expected in ((128 * MEBIBYTE, 128 * MEBIBYTE), (96 * MEBIBYTE, 128 * MEBIBYTE)):
        hypervisor.resize_disk(guest.vm_id, DATA, asked)
        disk = guest.disks[1].source
        assert isinstance(disk, FileSource)
        listed = json.loads(
            run(["qemu-img", "info", "-U", "--output", "json", disk.path], timeout_seconds=20)
        )
        assert listed["virtual-size"] == expected
    hypervisor.remove(guest.vm_id)


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


def chain(disk: Path) -> list[Path]:
    """The files of a disk, the top's first."""
    argv: list[str | Path] = ["qemu-img", "info", "-U", "--backing-chain", "--output", "json", disk]
    listed = json.loads(run(argv, timeout_seconds=20))
    return [Path(each["filename"]).resolve() for each in listed]


def opened_by_qemu(vm_id: str, path: Path) -> str:
    """How the guest's QEMU has a file open: "writing", "reading" or "not"."""
    modes = set()
    for process in qemu_processes(vm_id):
        for descriptor in (process / "fd").iterdir():
            if descriptor.resolve() == path:
                flags = (process / "fdinfo" / descriptor.name).read_text().split("flags:")[1].split()[0]
                modes.add(int(flags, 8) & 3)
    return "not" if not modes else "reading" if modes == {0} else "writing"


def qemu_processes(vm_id: str) -> list[Path]:
    return [each for each in Path("/proc").glob("[0-9]*") if vm_id in command_line(each)]


def command_lines() -> list[str]:
    return [command_line(each) for each in Path("/proc").glob("[0-9]*")]


def command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def left_over(domain_name: str) -> list[Path]:
    """Files of libvirt's that carry a domain's name, of which it uses 20 characters in some."""
    everywhere = (path for place in PLACES for path in Path(place).rglob("*"))
    return [path for path in everywhere if domain_name[:20] in path.name]
