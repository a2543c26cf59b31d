"""The libvirt hypervisor against the contract, with real QEMU guests."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from souche.compute.base import Guest
from souche.model.disks import GuestDisk
from tests.compute.contract import DEVICES, ROOT, HypervisorContract, Laboratory
from tests.compute.libvirt_laboratory import PANIC_SECTOR, DiskShelf, reachable_directory, region


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with (
        reachable_directory() as directory,
        region(directory / "home", "10.71.1.0/24") as hypervisor,
        region(directory / "home", "10.71.1.0/24") as reopened,
        region(directory / "neighbour", "10.71.2.0/24") as neighbour,
    ):
        disks = DiskShelf(directory)

        told = hypervisor._firewall.look

        def panic(guest: Guest) -> None:
            root = GuestDisk(ROOT, DEVICES[ROOT], disks.boot_disk(PANIC_SECTOR))
            hypervisor.define(replace(guest, disks=(root,)))
            hypervisor.start(guest.vm_id)

        yield Laboratory(hypervisor, reopened, neighbour, disks.new_disk, disks.overlay_on, panic, told)


@pytest.mark.guest
class TestLibvirtHypervisor(HypervisorContract):
    """The contract."""
