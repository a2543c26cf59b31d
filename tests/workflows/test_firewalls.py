"""What guests let in follows the security groups of their VMs."""

from souche.app import launches, security_groups, vm_transitions, vms
from souche.app.security_groups import Member, RuleRequest
from souche.model.firewall import Passage
from souche.model.security_groups import Rule, SecurityGroup
from souche.model.vms import Vm
from souche.reconcile import firewalls as sweep
from souche.workflows import firewalls
from tests.workflows.world import Cast, World

WEB = RuleRequest("tcp", 80, 80, ("0.0.0.0/0",))
HOST = "10.77.0.1/32"


def inbound(world: World, vm: Vm) -> set[Passage]:
    return set(world.hypervisor.inbound(vm.vm_id) or ())


def members(*vms_: Vm) -> Passage:
    return Passage("-1", -1, -1, tuple(f"{vm.private_ip}/32" for vm in vms_))


def launch(world: World, cast: Cast, *groups: str) -> Vm:
    wanted = launches.Launch(cast.image_id, security_group_ids=groups)
    (vm,) = launches.launch(world.region, cast.alice, wanted)
    world.run_all()
    return world.vm(vm.vm_id)


def make_group(world: World, cast: Cast, *rules: RuleRequest) -> SecurityGroup:
    group = security_groups.create(world.region, cast.alice, "web", "web")
    if rules:
        security_groups.add_rules(world.region, cast.alice, group.security_group_id, "Inbound", rules)
        world.run_all()
    return group


def test_by_default_members_come_in_and_the_host_by_ssh_and_ping(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    assert inbound(world, cast.running) == {
        members(cast.running, cast.stopped),
        Passage("tcp", 22, 22, (HOST,)),
        Passage("icmp", -1, -1, (HOST,)),
    }


def test_a_new_member_is_let_in_by_the_others(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    vm = launch(world, cast)
    for each in (vm, cast.running, cast.stopped):
        assert members(cast.running, cast.stopped, vm) in inbound(world, each)


def test_a_vm_that_is_terminated_is_let_in_no_more(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    vm_transitions.delete(world.region, cast.alice, [cast.stopped.vm_id])
    world.run_all()
    assert members(cast.running) in inbound(world, cast.running)


def test_another_groups_vm_lets_in_what_its_rules_say(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    group = make_group(world, cast, WEB)
    vm = launch(world, cast, group.security_group_id)
    assert inbound(world, vm) == {Passage("tcp", 80, 80, ("0.0.0.0/0",))}
    assert members(cast.running, cast.stopped) in inbound(world, cast.running)


def test_a_change_of_rules_reaches_the_guests_of_the_group(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    group = make_group(world, cast)
    vm = launch(world, cast, group.security_group_id)
    assert inbound(world, vm) == set()
    from_default = RuleRequest("udp", 53, 53, members=(Member("default"),))
    for change, expected in (
        (security_groups.add_rules, {("udp", 53)}),
        (security_groups.remove_rules, set()),
    ):
        change(world.region, cast.alice, group.security_group_id, "Inbound", [from_default])
        world.run_all()
        assert {(each.protocol, each.first) for each in inbound(world, vm)} == expected


def test_a_vm_that_changes_its_groups_changes_who_lets_it_in(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    group = make_group(world, cast, WEB)
    vms.update(
        world.region,
        cast.alice,
        vms.Change(cast.stopped.vm_id, security_group_ids=(group.security_group_id,)),
    )
    world.run_all()
    assert inbound(world, cast.stopped) == {Passage("tcp", 80, 80, ("0.0.0.0/0",))}
    assert members(cast.running) in inbound(world, cast.running)


def test_the_sweep_mends_what_something_else_has_changed(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    before = inbound(world, cast.running)
    world.hypervisor.protect(lambda: {cast.running.vm_id: ()})
    sweep.settle(world.parts)
    assert inbound(world, cast.running) == before


def test_passages_of_the_same_traffic_are_one() -> None:
    rules = [
        Rule("tcp", 22, 22, "10.0.0.0/8"),
        Rule("tcp", 80, 80, "10.0.0.0/8"),
        Rule("tcp", 22, 22, "sg-00000001"),
        Rule("udp", 22, 22, "sg-00000002"),
    ]
    assert firewalls.passages(rules, {"sg-00000001": ["10.77.0.9"]}) == (
        Passage("tcp", 22, 22, ("10.0.0.0/8", "10.77.0.9/32")),
        Passage("tcp", 80, 80, ("10.0.0.0/8",)),
    )
