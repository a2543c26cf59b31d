"""A hypervisor and disks for tests with real guests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.compute.base import Guest
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.names import Names, home_tag
from souche.model.disks import FileSource, GuestDisk
from tests.compute.contract import DEVICES, ROOT, Laboratory
from tests.compute.libvirt_laboratory import DiskShelf, reachable_directory, region

SLOW_SECONDS = 60.0  # for a guest under TCG on a busy machine
PLACES = ("/var/lib/libvirt", "/var/log/libvirt", "/run/libvirt", "/var/log/swtpm")


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


def qemu_processes(vm_id: str) -> list[Path]:
    return [each for each in Path("/proc").glob("[0-9]*") if vm_id in command_line(each)]


def command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
