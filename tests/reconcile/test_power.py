"""Guests that change their power state, and guests that a workflow changes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
from structlog.testing import capture_logs

from souche.app import images, public_ips, vm_stops, vm_transitions, vms
from souche.compute.base import PowerState
from souche.compute.simulated import SimulatedHypervisor
from souche.errors import Unavailable
from souche.model import stop_reasons
from souche.model.operations import Operation
from souche.model.query import Query
from souche.reconcile import power
from souche.room import LEAST_BYTES, Room, Usage
from souche.states import VmState
from tests.support.region import ManualClock
from tests.workflows.world import NETWORK, Original, World


@dataclass
class Started:
    operations: list[Operation] = field(default_factory=list)

    def __call__(self, operation: Operation) -> None:
        self.operations.append(operation)


@pytest.fixture
def started() -> Started:
    return Started()


def crash(world: World, vm_id: str) -> None:
    """The host reboots: its guests are lost."""
    world.hypervisor.remove(vm_id)


def test_nothing_happens_while_all_is_as_recorded(world: World, started: Started) -> None:
    before = world.see()
    power.settle(world.parts, started)
    assert world.see() == before
    assert started.operations == []


def test_guest_that_powered_itself_off_is_stopped(world: World, origin: Original, started: Started) -> None:
    vm_id = origin.cast.running.vm_id
    world.hypervisor.power_off(vm_id)
    power.settle(world.parts, started)
    vm = world.vm(vm_id)
    assert (vm.state, vm.state_reason) == (VmState.STOPPED, stop_reasons.BY_GUEST)
    assert started.operations == []


def test_a_guest_that_found_no_room_goes_on_when_there_is_some(
    world: World, origin: Original, started: Started
) -> None:
    vm_id = origin.cast.running.vm_id
    world.hypervisor.halt(vm_id)
    for left_bytes, expected in ((LEAST_BYTES - 1, PowerState.HALTED), (LEAST_BYTES, PowerState.RUNNING)):
        power.settle(replace(world.parts, room=Room(partial(Usage, 0, left_bytes), 1 << 40)), started)
        assert world.hypervisor.power_states()[vm_id] is expected
        assert world.vm(vm_id) == origin.cast.running
    assert started.operations == []


def test_guest_that_powered_itself_off_is_restarted(world: World, origin: Original, started: Started) -> None:
    vm_id = origin.cast.running.vm_id
    vms.update(world.region, origin.cast.alice, vms.Change(vm_id, shutdown_behavior="restart"))
    world.hypervisor.power_off(vm_id)
    power.settle(world.parts, started)
    assert world.vm(vm_id).state == VmState.PENDING
    assert started.operations == world.outstanding()
    power.settle(world.parts, started)
    assert len(started.operations) == 1
    world.run_all()
    assert world.vm(vm_id).state == VmState.RUNNING
    assert world.hypervisor.power_states()[vm_id] == PowerState.RUNNING


def test_guest_that_powered_itself_off_is_terminated(
    world: World, origin: Original, started: Started
) -> None:
    vm_id = origin.cast.running.vm_id
    vms.update(world.region, origin.cast.alice, vms.Change(vm_id, shutdown_behavior="terminate"))
    world.hypervisor.power_off(vm_id)
    power.settle(world.parts, started)
    assert world.vm(vm_id).state == VmState.SHUTTING_DOWN
    world.run_all()
    vm = world.vm(vm_id)
    assert (vm.state, vm.state_reason) == (VmState.TERMINATED, stop_reasons.BY_GUEST)
    assert vm_id not in world.hypervisor.power_states()


def test_protected_guest_that_powered_itself_off_is_stopped(
    world: World, origin: Original, started: Started
) -> None:
    vm_id = origin.cast.running.vm_id
    change = vms.Change(vm_id, shutdown_behavior="terminate", deletion_protection=True)
    vms.update(world.region, origin.cast.alice, change)
    world.hypervisor.power_off(vm_id)
    power.settle(world.parts, started)
    assert world.vm(vm_id).state == VmState.STOPPED
    assert started.operations == []


@pytest.mark.parametrize(("action", "state"), [("restart", VmState.RUNNING), ("stop", VmState.STOPPED)])
def test_lost_guest_follows_its_host_action(
    world: World, origin: Original, started: Started, action: str, state: VmState
) -> None:
    """With any shutdown behaviour of the guest."""
    vm_id = origin.cast.running.vm_id
    change = vms.Change(vm_id, host_action=action, shutdown_behavior="terminate")
    vms.update(world.region, origin.cast.alice, change)
    crash(world, vm_id)
    power.settle(world.parts, started)
    world.run_all()
    assert world.vm(vm_id).state == state
    if state == VmState.STOPPED:
        assert world.vm(vm_id).state_reason == stop_reasons.HOST_FAILED
    else:
        assert world.hypervisor.power_states()[vm_id] == PowerState.RUNNING


@pytest.mark.parametrize(("action", "state"), [("restart", VmState.RUNNING), ("stop", VmState.STOPPED)])
def test_panicked_guest_follows_its_host_action_and_says_why(
    world: World, origin: Original, started: Started, action: str, state: VmState
) -> None:
    """With any shutdown behaviour: it did not shut itself down."""
    vm_id = origin.cast.running.vm_id
    change = vms.Change(vm_id, host_action=action, shutdown_behavior="terminate")
    vms.update(world.region, origin.cast.alice, change)
    world.hypervisor.panic(vm_id)
    with capture_logs() as lines:
        power.settle(world.parts, started)
    told = {"event": "a guest panicked", "log_level": "warning", "vm_id": vm_id, "host_action": action}
    assert told in lines
    reason = stop_reasons.PANICKED if state == VmState.STOPPED else ""
    assert world.vm(vm_id).state_reason == reason
    world.run_all()
    vm = world.vm(vm_id)
    assert (vm.state, vm.state_reason) == (state, reason)
    stops, _ = vm_stops.find(world.region, origin.cast.alice, Query())
    assert [stop.state_reason for stop in stops if stop.vm_id == vm_id] == [stop_reasons.PANICKED]
    power_after = PowerState.OFF if state == VmState.STOPPED else PowerState.RUNNING
    assert world.hypervisor.power_states()[vm_id] == power_after


def pass_time(world: World, seconds: float) -> None:
    assert isinstance(world.region.clock, ManualClock)
    world.region.clock.advance(seconds=seconds)


def go_off(world: World, vm_id: str, how: str) -> str:
    """The guest goes off, and what follows is done; returns the VM's state."""
    {"off": world.hypervisor.power_off, "lost": world.hypervisor.remove, "panic": world.hypervisor.panic}[
        how
    ](vm_id)
    power.settle(world.parts, Started())
    world.run_all()
    return world.vm(vm_id).state


def go_off_again_and_again(world: World, origin: Original, how: str) -> str:
    """A VM with the behaviour restart powers off after each start; returns its id."""
    vm_id = origin.cast.running.vm_id
    vms.update(world.region, origin.cast.alice, vms.Change(vm_id, shutdown_behavior="restart"))
    for _ in range(power.MOST_RESTARTS):
        assert go_off(world, vm_id, how) == VmState.RUNNING
        pass_time(world, 60)
    assert go_off(world, vm_id, how) == VmState.STOPPED
    return vm_id


@pytest.mark.parametrize(
    ("how", "reason"),
    [("off", stop_reasons.BY_GUEST), ("lost", stop_reasons.HOST_FAILED), ("panic", stop_reasons.PANICKED)],
)
def test_a_vm_that_goes_off_again_and_again_waits_before_it_is_restarted(
    world: World, origin: Original, started: Started, how: str, reason: str
) -> None:
    """Until no more than five of its stops are of the last ten minutes."""
    vm_id = go_off_again_and_again(world, origin, how)
    assert world.vm(vm_id).state_reason == reason + power.WAITS
    pass_time(world, 299)
    before = world.see()
    power.settle(world.parts, started)
    assert world.see() == before
    pass_time(world, 1)
    power.settle(world.parts, started)
    assert started.operations == world.outstanding()
    world.run_all()
    vm = world.vm(vm_id)
    assert (vm.state, vm.state_reason) == (VmState.RUNNING, "")
    assert go_off(world, vm_id, how) == VmState.STOPPED


def test_stops_that_a_user_asks_for_delay_no_restart(world: World, origin: Original) -> None:
    alice, vm_id = origin.cast.alice, origin.cast.running.vm_id
    vms.update(world.region, alice, vms.Change(vm_id, shutdown_behavior="restart"))
    for _ in range(power.MOST_RESTARTS + 1):
        vm_transitions.stop(world.region, alice, [vm_id], force=True)
        world.run_all()
        world.run_all()
    assert go_off(world, vm_id, "off") == VmState.RUNNING


def test_a_vm_that_waits_to_be_restarted_can_be_started_or_left_off(
    world: World, origin: Original, started: Started
) -> None:
    alice, vm_id = origin.cast.alice, go_off_again_and_again(world, origin, "off")
    vm_transitions.start(world.region, alice, [vm_id])
    world.run_all()
    assert world.vm(vm_id).state == VmState.RUNNING
    assert go_off(world, vm_id, "off") == VmState.STOPPED
    vms.update(world.region, alice, vms.Change(vm_id, shutdown_behavior="stop"))
    power.settle(world.parts, started)
    vm = world.vm(vm_id)
    assert (vm.state, vm.state_reason, started.operations) == (VmState.STOPPED, stop_reasons.BY_GUEST, [])


def test_a_vm_that_waits_to_be_restarted_keeps_its_public_ip(world: World, origin: Original) -> None:
    alice = origin.cast.alice
    address = public_ips.create(world.region, alice)
    public_ips.link(world.region, alice, public_ips.Link(origin.cast.running.vm_id, address.public_ip))
    vm_id = go_off_again_and_again(world, origin, "off")
    assert world.vm(vm_id).public_ip == address.public_ip
    vms.update(world.region, alice, vms.Change(vm_id, shutdown_behavior="stop"))
    power.settle(world.parts, Started())
    assert world.vm(vm_id).public_ip is None


def test_stopped_vm_that_runs_is_running(world: World, origin: Original, started: Started) -> None:
    vm_id = origin.cast.stopped.vm_id
    world.hypervisor.start(vm_id)
    power.settle(world.parts, started)
    assert world.vm(vm_id).state == VmState.RUNNING


def test_stopped_vm_without_a_guest_stays_stopped(world: World, origin: Original, started: Started) -> None:
    crash(world, origin.cast.stopped.vm_id)
    power.settle(world.parts, started)
    assert world.vm(origin.cast.stopped.vm_id) == origin.cast.stopped


@pytest.mark.parametrize("asked", ["stop", "delete", "image"])
def test_vm_in_transition_is_left_alone(world: World, origin: Original, started: Started, asked: str) -> None:
    alice, vm_id = origin.cast.alice, origin.cast.running.vm_id
    if asked == "stop":
        vm_transitions.stop(world.region, alice, [vm_id], force=False)
    elif asked == "delete":
        vm_transitions.delete(world.region, alice, [vm_id])
    else:
        wanted = images.FromVm(images.ImageSettings("image"), vm_id, no_reboot=False)
        images.create_from_vm(world.region, alice, wanted)
    world.hypervisor.power_off(vm_id)
    before = world.see()
    power.settle(world.parts, started)
    assert world.see() == before
    assert started.operations == []


class Between(SimulatedHypervisor):
    """One during whose answer something else happens."""

    def __init__(self, world: World, happens: Callable[[], None]) -> None:
        super().__init__(world.home, NETWORK)
        self._happens = happens

    def power_states(self) -> Mapping[str, PowerState]:
        self._happens()
        return super().power_states()


def test_vm_that_was_stopped_meanwhile_is_left_alone(
    world: World, origin: Original, started: Started
) -> None:
    vm_id = origin.cast.running.vm_id

    def stop() -> None:
        vm_transitions.stop(world.region, origin.cast.alice, [vm_id], force=True)
        world.run_all()

    power.settle(replace(world.parts, hypervisor=Between(world, stop)), started)
    vm = world.vm(vm_id)
    assert (vm.state, vm.state_reason) == (VmState.STOPPED, stop_reasons.BY_USER)
    assert started.operations == []


def test_unreachable_hypervisor_changes_nothing(world: World, started: Started) -> None:
    before = world.see()

    def fail() -> None:
        raise Unavailable(what="libvirt", reason="it is restarted")

    with pytest.raises(Unavailable):
        power.settle(replace(world.parts, hypervisor=Between(world, fail)), started)
    assert world.see() == before
