"""What a guest's firmware does with its keys: told at one start, shown until then."""

from dataclasses import replace

from souche.app import vm_transitions, vms
from souche.compute.base import Guest
from souche.compute.simulated import SimulatedHypervisor
from souche.db import vms as records
from souche.model.vms import SecureBootAction
from souche.workflows import engine
from souche.workflows.catalogue import CATALOGUE
from tests.workflows.world import NETWORK, Cast, World


class Remembering(SimulatedHypervisor):
    """One that remembers its defined guests."""

    def __init__(self, world: World) -> None:
        super().__init__(world.home, NETWORK)
        self.told: list[Guest] = []

    def define(self, guest: Guest) -> None:
        self.told.append(guest)
        super().define(guest)


def told_at_start(world: World, cast: Cast, hypervisor: Remembering) -> tuple[str, str]:
    """What the hypervisor is told at the next start: done before, to do now."""
    vm_transitions.start(world.region, cast.alice, [cast.stopped.vm_id])
    parts = replace(world.parts, hypervisor=hypervisor)
    engine.run(CATALOGUE["start_vm"], parts, world.the_operation(), engine.Unjournalled())
    return hypervisor.told[-1].secure_boot, hypervisor.told[-1].next_secure_boot


def stop(world: World, cast: Cast) -> None:
    vm_transitions.stop(world.region, cast.alice, [cast.stopped.vm_id], force=True)
    world.run_all()


def test_an_action_is_done_at_one_start_and_known_at_the_next(
    scene: tuple[World, Cast],
) -> None:
    world, cast = scene
    hypervisor = Remembering(world)
    vm_id = cast.stopped.vm_id
    with world.region.store.begin() as connection:
        records.set_attributes(connection, vm_id, {"boot_mode": "uefi"})
    enable: SecureBootAction = "enable"
    vms.update(world.region, cast.alice, vms.Change(vm_id, next_secure_boot=enable))
    assert told_at_start(world, cast, hypervisor) == ("none", "enable")
    assert world.vm(vm_id).next_secure_boot == "none"
    stop(world, cast)
    assert told_at_start(world, cast, hypervisor) == ("enable", "none")
    stop(world, cast)
    vms.update(world.region, cast.alice, vms.Change(vm_id, next_secure_boot="disable"))
    assert told_at_start(world, cast, hypervisor) == ("enable", "disable")
    assert world.vm(vm_id).secure_boot == "disable"
