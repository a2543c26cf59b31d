"""The simulated hypervisor, over disks in files and over disks of the simulated store."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from souche.compute.base import Firewalls, Guest
from souche.compute.simulated import SimulatedHypervisor
from souche.model.disks import DiskSource, FileSource, MemorySource
from souche.refusals import NoConsole
from tests.compute.contract import HypervisorContract, Laboratory

names = count()


def in_memory() -> DiskSource:
    return MemorySource(f"disk-{next(names)}")


def in_a_file() -> DiskSource:
    return FileSource(Path(f"/disks/{next(names)}.qcow2"), "qcow2")


@pytest.mark.parametrize("new_disk", [in_memory, in_a_file], ids=["memory", "file"])
class TestSimulatedHypervisor(HypervisorContract):
    """The contract."""

    @pytest.fixture
    def laboratory(self, tmp_path: Path, new_disk: Callable[[], DiskSource]) -> Laboratory:
        hypervisor = SimulatedHypervisor(tmp_path / "home", "10.9.0.0/24")

        def panic(guest: Guest) -> None:
            hypervisor.start(guest.vm_id)
            hypervisor.panic(guest.vm_id)

        def halt(guest: Guest) -> None:
            hypervisor.start(guest.vm_id)
            hypervisor.halt(guest.vm_id)

        return Laboratory(
            hypervisor=hypervisor,
            reopened=SimulatedHypervisor(tmp_path / "home", "10.9.0.0/24"),
            neighbour=SimulatedHypervisor(tmp_path / "neighbour", "10.10.0.0/24"),
            new_disk=new_disk,
            overlay_on=lambda _: new_disk(),
            panic=panic,
            halt=halt,
            told=lambda: hypervisor.inspect().firewalls,
        )

    def test_console_says_that_it_is_simulated(self, laboratory: Laboratory) -> None:
        guest = laboratory.guest()
        laboratory.hypervisor.define(guest)
        assert laboratory.hypervisor.console(guest.vm_id) == b""
        laboratory.hypervisor.start(guest.vm_id)
        assert b"simulated" in laboratory.hypervisor.console(guest.vm_id)
        with pytest.raises(NoConsole, match="simulated"), laboratory.hypervisor.serial(guest.vm_id):
            pass
        with pytest.raises(NoConsole, match="simulated"):
            laboratory.hypervisor.screenshot(guest.vm_id)


@pytest.mark.parametrize("damaged", [b"", b"{{", b"[]", b"{}", b'{"open": 1, "defined": {}}', b"\xff"])
def test_a_damaged_record_is_a_guest_that_is_gone_and_nothing_else(tmp_path: Path, damaged: bytes) -> None:
    """One such file ended all sweeps, and fsck with a traceback."""
    hypervisor = SimulatedHypervisor(tmp_path, "10.9.0.0/24")
    new_disk = in_a_file
    laboratory = Laboratory(hypervisor, hypervisor, hypervisor, new_disk, lambda _: new_disk())
    broken, whole = laboratory.guest(), laboratory.guest()
    for guest in (broken, whole):
        hypervisor.define(guest)
        hypervisor.start(guest.vm_id)
    (tmp_path / "simulated-guests" / f"{broken.vm_id}.json").write_bytes(damaged)
    (tmp_path / "simulated-guests" / "groups" / "sg-1.json").write_bytes(damaged)
    assert hypervisor.power_states().keys() == {whole.vm_id}
    assert hypervisor.inspect().guests.keys() == {whole.vm_id}
    hypervisor.protect(lambda: Firewalls(dict.fromkeys((broken.vm_id, whole.vm_id), ("sg-1",)), {"sg-1": ()}))
    hypervisor.define(broken)
    hypervisor.start(broken.vm_id)
    assert hypervisor.power_states().keys() == {broken.vm_id, whole.vm_id}
