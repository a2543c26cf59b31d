"""The firewalls of guests follow the security groups of their VMs."""

from collections.abc import Callable

import pytest

from souche.app import launches, security_groups, vm_transitions, vms
from souche.app.security_groups import Member, RuleRequest
from souche.compute.base import Firewalls
from souche.model.security_groups import Rule, SecurityGroup
from souche.model.vms import Vm
from souche.reconcile import firewalls as sweep
from tests.workflows.world import Cast, World

WEB = RuleRequest("tcp", 80, 80, ("0.0.0.0/0",))
WEB_RULE = Rule("tcp", 80, 80, "0.0.0.0/0")
HOST = "10.77.0.1/32"


def inbound(world: World, vm: Vm) -> set[Rule]:
    return set(world.hypervisor.inbound(vm.vm_id) or ())


def members(*vms_: Vm) -> set[Rule]:
    return {Rule("-1", -1, -1, f"{vm.private_ip}/32") for vm in vms_}


def all_traffic(rules: set[Rule]) -> set[Rule]:
    return {rule for rule in rules if rule.protocol == "-1"}


def launch(world: World, cast: Cast, *groups: str) -> Vm:
    wanted = launches.Launch(cast.image_id, security_group_ids=groups)
    (vm,) = launches.launch(world.region, cast.alice, wanted)
    world.run_all()
    return world.vm(vm.vm_id)


def listen(world: World, monkeypatch: pytest.MonkeyPatch) -> list[Firewalls]:
    """What the hypervisor is told from now on."""
    told: list[Firewalls] = []
    protect = world.hypervisor.protect

    def noting(wanted: Callable[[], Firewalls]) -> None:
        told.append(wanted())
        protect(wanted)

    monkeypatch.setattr(world.hypervisor, "protect", noting)
    return told


def make_group(world: World, cast: Cast, *rules: RuleRequest) -> SecurityGroup:
    group = security_groups.create(world.region, cast.alice, "web", "web")
    if rules:
        security_groups.add_rules(world.region, cast.alice, group.security_group_id, "Inbound", rules)
        world.run_all()
    return group


def test_by_default_members_come_in_and_the_host_by_ssh_and_ping(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    assert inbound(world, cast.running) == members(cast.running, cast.stopped) | {
        Rule("tcp", 22, 22, HOST),
        Rule("icmp", -1, -1, HOST),
    }


def test_a_new_member_is_let_in_by_the_others(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    vm = launch(world, cast)
    for each in (vm, cast.running, cast.stopped):
        assert all_traffic(inbound(world, each)) == members(cast.running, cast.stopped, vm)


def test_a_vm_that_is_terminated_is_let_in_no_more(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    vm_transitions.delete(world.region, cast.alice, [cast.stopped.vm_id])
    world.run_all()
    assert all_traffic(inbound(world, cast.running)) == members(cast.running)


def test_another_groups_vm_lets_in_what_its_rules_say(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    group = make_group(world, cast, WEB)
    vm = launch(world, cast, group.security_group_id)
    assert inbound(world, vm) == {WEB_RULE}
    assert all_traffic(inbound(world, cast.running)) == members(cast.running, cast.stopped)


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
        assert {(each.protocol, each.from_port) for each in inbound(world, vm)} == expected


def test_a_vm_that_changes_its_groups_changes_who_lets_it_in(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    group = make_group(world, cast, WEB)
    vms.update(
        world.region,
        cast.alice,
        vms.Change(cast.stopped.vm_id, security_group_ids=(group.security_group_id,)),
    )
    world.run_all()
    assert inbound(world, cast.stopped) == {WEB_RULE}
    assert all_traffic(inbound(world, cast.running)) == members(cast.running)


def test_the_sweep_mends_what_something_else_has_changed(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    before = inbound(world, cast.running)
    world.hypervisor.protect(lambda: Firewalls({cast.running.vm_id: ()}))
    assert inbound(world, cast.running) == set()
    sweep.settle(world.parts)
    assert inbound(world, cast.running) == before


def test_a_launch_tells_the_hypervisor_of_its_own_guest_and_of_the_rules_of_its_groups(
    scene: tuple[World, Cast], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not of the other members: what it tells would grow with their number."""
    world, cast = scene
    told = listen(world, monkeypatch)
    vm = launch(world, cast)
    assert [set(each.guests) for each in told] == [{vm.vm_id}]
    assert [set(each.groups) for each in told] == [{group.security_group_id for group in vm.security_groups}]


def test_a_change_of_rules_tells_the_hypervisor_of_the_group_alone(
    scene: tuple[World, Cast], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, cast = scene
    told = listen(world, monkeypatch)
    group = make_group(world, cast, WEB)
    assert told == [Firewalls(groups={group.security_group_id: (WEB_RULE,)})]
