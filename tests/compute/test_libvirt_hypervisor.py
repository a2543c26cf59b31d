"""The libvirt hypervisor against the contract, with real QEMU guests."""

from collections.abc import Iterator

import pytest

from tests.compute.contract import HypervisorContract, Laboratory
from tests.compute.libvirt_laboratory import DiskShelf, reachable_directory, region


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with (
        reachable_directory() as directory,
        region(directory / "home", "10.231.1.0/24") as hypervisor,
        region(directory / "home", "10.231.1.0/24") as reopened,
        region(directory / "neighbour", "10.231.2.0/24") as neighbour,
    ):
        disks = DiskShelf(directory)
        yield Laboratory(hypervisor, reopened, neighbour, disks.new_disk, disks.overlay_on)


@pytest.mark.guest
class TestLibvirtHypervisor(HypervisorContract):
    """The contract."""
