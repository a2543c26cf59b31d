"""Backing chains of running guests under libvirt: shortening, switching, growth."""

import json
from pathlib import Path

import libvirt
import pytest

from souche.compute.base import PowerState
from souche.compute.libvirt import live_disks
from souche.compute.libvirt.host_paths import qemu_group
from souche.compute.libvirt.names import Names
from souche.compute.libvirt.waiting import wait_until
from souche.errors import ChainTooLong, ComputeFailed, ProgramFailed
from souche.formats.qcow2 import read_header
from souche.home import Home
from souche.model.disks import FileSource, GuestDisk
from souche.run import run
from souche.storage.base import Capture
from souche.storage.qcow2 import Qcow2Store
from tests.compute.contract import DATA, DEVICES, ROOT, Laboratory
from tests.compute.libvirt_guests import SLOW_SECONDS, booting, qemu_processes
from tests.compute.libvirt_guests import directory as directory
from tests.compute.libvirt_guests import disks as disks
from tests.compute.libvirt_guests import hypervisor as hypervisor
from tests.compute.libvirt_guests import laboratory as laboratory
from tests.compute.libvirt_guests import names as names
from tests.compute.libvirt_laboratory import DiskShelf

pytestmark = pytest.mark.guest


MEBIBYTE = 1024 * 1024
READS_25_FILES = 11_000_000
"""the version of libvirt from which it starts no longer chain"""


def test_a_longer_chain_than_libvirt_opens_is_refused_with_what_mends_it(
    laboratory: Laboratory, disks: DiskShelf
) -> None:
    hypervisor = laboratory.hypervisor
    source = disks.new_disk()
    for _ in range(199):
        source = disks.overlay_on(source)
    guest = booting(laboratory, source)
    hypervisor.define(guest)
    if libvirt.getVersion() >= READS_25_FILES:
        with pytest.raises(ChainTooLong, match="try again in a minute"):
            hypervisor.start(guest.vm_id)
        hypervisor.remove(guest.vm_id)
        return
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


def chain(disk: Path) -> list[Path]:
    """The files of a disk, the top's first."""
    argv: list[str | Path] = ["qemu-img", "info", "-U", "--backing-chain", "--output", "json", disk]
    try:
        listed = json.loads(run(argv, timeout_seconds=20))
    except ProgramFailed:  # QEMU wrote the header between qemu-img's two reads of it
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
