"""Public IPs lead to the guests of the VMs that they are linked to."""

from souche.app import public_ips, tags, vm_transitions
from souche.compute.base import Firewalls
from souche.model.vms import Vm
from souche.reconcile import firewalls as sweep
from souche.reconcile import power
from tests.workflows.world import Cast, World


def leading(world: World) -> dict[str, str]:
    return dict(world.hypervisor.inspect().firewalls.public_ips)


def link(world: World, cast: Cast, vm: Vm) -> str:
    public_ip = public_ips.create(world.region, cast.alice).public_ip
    public_ips.link(world.region, cast.alice, public_ips.Link(vm.vm_id, public_ip))
    world.run_all()
    return public_ip


def test_a_link_leads_to_the_guest_and_moves_with_it(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    public_ip = link(world, cast, cast.running)
    assert leading(world) == {cast.running.vm_id: public_ip}
    public_ips.link(world.region, cast.alice, public_ips.Link(cast.stopped.vm_id, public_ip))
    world.run_all()
    assert leading(world) == {cast.stopped.vm_id: public_ip}
    public_ips.unlink(world.region, cast.alice, public_ip, None)
    world.run_all()
    assert leading(world) == {}


def test_a_vm_that_is_stopped_loses_its_public_ip(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    link(world, cast, cast.running)
    vm_transitions.stop(world.region, cast.alice, [cast.running.vm_id], force=False)
    world.run_all()
    assert leading(world) == {}
    assert world.vm(cast.running.vm_id).public_ip is None


def test_a_guest_that_goes_off_by_itself_loses_its_public_ip(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    link(world, cast, cast.running)
    world.hypervisor.power_off(cast.running.vm_id)
    power.settle(world.parts, world.region.workflows.start)
    assert leading(world) == {}
    assert world.vm(cast.running.vm_id).public_ip is None


def test_a_vm_that_reboots_keeps_it(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    public_ip = link(world, cast, cast.running)
    vm_transitions.reboot(world.region, cast.alice, [cast.running.vm_id])
    world.run_all()
    assert world.vm(cast.running.vm_id).public_ip == public_ip
    assert leading(world) == {cast.running.vm_id: public_ip}


def test_a_terminated_vm_frees_its_public_ip(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    public_ip = link(world, cast, cast.running)
    vm_transitions.delete(world.region, cast.alice, [cast.running.vm_id])
    world.run_all()
    assert leading(world) == {}
    public_ips.delete(world.region, cast.alice, public_ip, None)


def test_the_tag_auto_attach_has_the_guest_reached_once_it_runs(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    public_ip = public_ips.create(world.region, cast.alice).public_ip
    pairs = {public_ips.AUTO_ATTACH: public_ip}
    tags.put(world.region, cast.alice, [cast.stopped.vm_id], pairs)
    vm_transitions.start(world.region, cast.alice, [cast.stopped.vm_id])
    world.run_all()
    assert leading(world) == {cast.stopped.vm_id: public_ip}


def test_the_sweep_mends_what_something_else_has_changed(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    public_ip = link(world, cast, cast.running)
    world.hypervisor.protect(lambda: Firewalls({cast.running.vm_id: []}))
    assert leading(world) == {}
    sweep.settle(world.parts)
    assert leading(world) == {cast.running.vm_id: public_ip}
