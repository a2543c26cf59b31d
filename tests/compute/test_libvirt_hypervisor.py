"""The libvirt hypervisor against the contract, with real QEMU guests."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from souche.compute.base import Guest
from souche.model.disks import GuestDisk
from souche.run import run
from tests.compute.contract import DEVICES, ROOT, HypervisorContract, Laboratory
from tests.compute.libvirt_laboratory import PANIC_SECTOR, DiskShelf, reachable_directory, region


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with (
        reachable_directory() as directory,
        region(directory / "home", "10.71.1.0/24") as hypervisor,
        region(directory / "home", "10.71.1.0/24") as reopened,
        region(directory / "neighbour", "10.71.2.0/24") as neighbour,
        ExitStack() as mounts,
    ):
        disks = DiskShelf(directory)

        told = hypervisor._firewall.look

        def panic(guest: Guest) -> None:
            root = GuestDisk(ROOT, DEVICES[ROOT], disks.boot_disk(PANIC_SECTOR))
            hypervisor.define(replace(guest, disks=(root,)))
            hypervisor.start(guest.vm_id)

        def halt(guest: Guest) -> None:
            root = GuestDisk(ROOT, DEVICES[ROOT], disks.filling_disk(small))
            hypervisor.define(replace(guest, disks=(root,)))
            hypervisor.start(guest.vm_id)

        small = mounts.enter_context(small_medium(directory / "small"))
        yield Laboratory(
            hypervisor,
            reopened,
            neighbour,
            disks.new_disk,
            disks.overlay_on,
            panic,
            halt,
            lambda: run(["mount", "-o", "remount,size=128m", small], timeout_seconds=20),
            told,
        )


@contextmanager
def small_medium(folder: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder.mkdir(mode=0o711)
    run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=711", "tmpfs", folder], timeout_seconds=20)
    try:
        yield folder
    finally:
        run(["umount", "--lazy", folder], timeout_seconds=20)


@pytest.mark.guest
class TestLibvirtHypervisor(HypervisorContract):
    """The contract."""
