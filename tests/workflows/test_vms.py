"""What launches, stops, starts, reboots and deletions come to once their workflows have run."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from souche.app import images, launches, vm_transitions, vms
from souche.compute.base import PowerState
from souche.db import vm_stops
from souche.errors import RecordsUnavailable
from souche.model import stop_reasons
from souche.model.disks import DiskSource, GuestHold
from souche.model.query import Condition, Query
from souche.states import LinkState, VmState, VolumeState
from souche.storage.base import LiveDisks
from souche.workflows import engine, guests
from souche.workflows.parts import Parts
from tests.support.resources import read_image, read_volume
from tests.workflows.journals import Twice
from tests.workflows.world import Cast, World


@pytest.mark.parametrize(
    ("boot", "state", "power"),
    [(True, VmState.RUNNING, PowerState.RUNNING), (False, VmState.STOPPED, PowerState.OFF)],
)
def test_a_launch_ends_running_or_stopped_when_it_is_not_to_boot(
    scene: tuple[World, Cast],
    boot: bool,  # noqa: FBT001
    state: VmState,
    power: PowerState,
) -> None:
    world, cast = scene
    wanted = launches.Launch(cast.image_id, boot_on_creation=boot)
    (vm,) = launches.launch(world.region, cast.alice, wanted)
    assert vm.state == VmState.PENDING
    world.run_all()
    settled = world.vm(vm.vm_id)
    assert (settled.state, world.hypervisor.power_states()[vm.vm_id]) == (state, power)
    (root,) = settled.volumes
    assert root.link is not None
    assert (root.state, root.link.state) == (VolumeState.IN_USE, LinkState.ATTACHED)
    assert world.disks.volume(root.volume_id) == b"the system"


def test_a_vm_that_was_not_booted_can_be_started(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    wanted = launches.Launch(cast.image_id, boot_on_creation=False)
    (vm,) = launches.launch(world.region, cast.alice, wanted)
    world.run_all()
    vm_transitions.start(world.region, cast.alice, [vm.vm_id])
    world.run_all()
    assert world.vm(vm.vm_id).state == VmState.RUNNING


@pytest.mark.parametrize("force", [True, False])
def test_a_stopped_vm_is_off_says_why_and_starts_again(
    scene: tuple[World, Cast],
    force: bool,  # noqa: FBT001
) -> None:
    world, cast = scene
    vm_id = cast.running.vm_id
    vm_transitions.stop(world.region, cast.alice, [vm_id], force=force)
    assert world.vm(vm_id).state == VmState.STOPPING
    world.run_all()
    stopped = world.vm(vm_id)
    assert (stopped.state, stopped.state_reason) == (VmState.STOPPED, stop_reasons.BY_USER)
    assert world.hypervisor.power_states()[vm_id] == PowerState.OFF
    vm_transitions.start(world.region, cast.alice, [vm_id])
    assert world.vm(vm_id).state == VmState.PENDING
    world.run_all()
    started = world.vm(vm_id)
    assert (started.state, started.state_reason) == (VmState.RUNNING, "")
    assert world.hypervisor.power_states()[vm_id] == PowerState.RUNNING


FOLLOWED = {
    "stop": (VmState.STOPPED, PowerState.OFF),
    "restart": (VmState.RUNNING, PowerState.RUNNING),
    "terminate": (VmState.TERMINATED, None),
}


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("behavior", FOLLOWED)
def test_stop_vms_ends_as_the_shutdown_behavior_says(
    scene: tuple[World, Cast],
    behavior: str,
    force: bool,  # noqa: FBT001
) -> None:
    """A step may be done again after a crash: one operation follows."""
    world, cast = scene
    vm_id = cast.running.vm_id
    vms.update(world.region, cast.alice, vms.Change(vm_id, shutdown_behavior=behavior))
    vm_transitions.stop(world.region, cast.alice, [vm_id], force=force)
    world.run(world.the_operation(), Twice("record"))
    assert len(world.outstanding()) == (behavior != "stop")
    world.run_all()
    assert (world.vm(vm_id).state, world.hypervisor.power_states().get(vm_id)) == FOLLOWED[behavior]
    with world.region.store.read() as connection:
        (stop,), _more = vm_stops.find(
            connection, cast.alice.account_id, Query((Condition("vm_id", (vm_id,)),), 10)
        )
    assert stop.state_reason == stop_reasons.BY_USER


def test_a_protected_vm_is_stopped_and_not_terminated(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    vm_id = cast.running.vm_id
    change = vms.Change(vm_id, shutdown_behavior="terminate", deletion_protection=True)
    vms.update(world.region, cast.alice, change)
    vm_transitions.stop(world.region, cast.alice, [vm_id], force=False)
    world.run_all()
    assert (world.vm(vm_id).state, world.outstanding()) == (VmState.STOPPED, [])


def test_an_image_of_a_vm_at_rest_leaves_it_whatever_its_shutdown_behavior(
    scene: tuple[World, Cast],
) -> None:
    world, cast = scene
    vm_id = cast.running.vm_id
    vms.update(world.region, cast.alice, vms.Change(vm_id, shutdown_behavior="terminate"))
    wanted = images.FromVm(images.ImageSettings("at rest"), vm_id, no_reboot=False)
    images.create_from_vm(world.region, cast.alice, wanted)
    world.run_all()
    assert (world.vm(vm_id).state, world.outstanding()) == (VmState.RUNNING, [])


@pytest.mark.parametrize("moment", ["before", "start", "none"])
def test_a_stop_requested_while_an_image_is_made_at_rest_is_kept(
    scene: tuple[World, Cast], moment: str
) -> None:
    """Before the image's operation, while the VM is shut down for it; after its start, which is then done twice."""
    world, cast = scene
    vm_id = cast.running.vm_id

    def stop() -> None:
        (transition,) = vm_transitions.stop(world.region, cast.alice, [vm_id], force=False)
        assert transition.current == VmState.STOPPING

    wanted = images.FromVm(images.ImageSettings("at rest"), vm_id, no_reboot=False)
    images.create_from_vm(world.region, cast.alice, wanted)
    image = world.the_operation()
    if moment == "before":
        stop()
        stop()  # again, which asks for nothing more
        assert len(world.outstanding()) == 2
    world.run(image, Twice(moment, between=stop))
    world.run_all()
    expected = (
        (VmState.RUNNING, PowerState.RUNNING) if moment == "none" else (VmState.STOPPED, PowerState.OFF)
    )
    assert (world.vm(vm_id).state, world.hypervisor.power_states()[vm_id]) == expected


class Agent:
    """Guests whose agents freeze their file systems."""

    def __init__(self, live: LiveDisks) -> None:
        self.open_disks = live.open_disks
        self.resize_disk = live.resize_disk
        self.shorten_disks = live.shorten_disks
        self._live = live

    def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
        return self._live.switch_disks(vm_id, sources)._replace(quiesced=True)


def test_a_vm_is_started_after_its_image_when_the_database_is_back(
    scene: tuple[World, Cast], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, it was left `stopped`, like one that does not start."""
    world, cast = scene
    vm_id = cast.running.vm_id
    wanted = images.FromVm(images.ImageSettings("at rest"), vm_id, no_reboot=False)
    images.create_from_vm(world.region, cast.alice, wanted)
    power_on, lost = guests.power_on, iter([RecordsUnavailable(reason="lost")])

    def losing(parts: Parts, vm_id: str) -> None:
        for error in lost:
            raise error
        power_on(parts, vm_id)

    monkeypatch.setattr(guests, "power_on", losing)
    world.run(world.the_operation(), Twice("no step"))
    assert list(lost) == []
    vm = world.vm(vm_id)
    assert (vm.state, vm.state_reason) == (VmState.RUNNING, "")
    assert world.hypervisor.power_states()[vm_id] == PowerState.RUNNING


@pytest.mark.parametrize("how", ["crash-consistent", "quiesced", "at-rest"])
@pytest.mark.parametrize("journal", [engine.Unjournalled(), Twice("capture")])
def test_an_image_knows_how_its_disks_were_captured(
    scene: tuple[World, Cast], how: str, journal: engine.Journal
) -> None:
    """Also where the process ended after the capture, and it is done again."""
    world, cast = scene
    if how == "quiesced":
        world = replace(world, parts=replace(world.parts, live=Agent(world.parts.live)))
    vm_id = (cast.stopped if how == "at-rest" else cast.running).vm_id
    wanted = images.FromVm(images.ImageSettings("captured"), vm_id, no_reboot=True)
    image_id = images.create_from_vm(world.region, cast.alice, wanted).image_id
    world.run(world.the_operation(), journal)
    image = read_image(world.region, image_id)
    assert image.consistency is not None
    assert (image.consistency.state, image.consistency.one_instant) == (how, True)
    assert (image.guest_pause_seconds is None) == (how == "at-rest")


def test_a_deletion_asked_for_meanwhile_goes_before_the_shutdown_behavior(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    vm_id = cast.running.vm_id
    vms.update(world.region, cast.alice, vms.Change(vm_id, shutdown_behavior="restart"))
    vm_transitions.stop(world.region, cast.alice, [vm_id], force=False)
    vm_transitions.delete(world.region, cast.alice, [vm_id])
    world.run_all()
    assert (world.vm(vm_id).state, world.outstanding()) == (VmState.TERMINATED, [])


def test_a_rebooted_vm_runs_all_the_while(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    vm_id = cast.running.vm_id
    vm_transitions.reboot(world.region, cast.alice, [vm_id])
    assert world.vm(vm_id).state == VmState.RUNNING
    world.run_all()
    assert world.vm(vm_id).state == VmState.RUNNING
    assert world.hypervisor.power_states()[vm_id] == PowerState.RUNNING


@pytest.mark.parametrize("which", ["running", "stopped"])
def test_a_deleted_vm_is_terminated_and_says_why(scene: tuple[World, Cast], which: str) -> None:
    world, cast = scene
    vm_id = getattr(cast, which).vm_id
    vm_transitions.delete(world.region, cast.alice, [vm_id])
    assert world.vm(vm_id).state == VmState.SHUTTING_DOWN
    world.run_all()
    gone = world.vm(vm_id)
    assert (gone.state, gone.state_reason, gone.volumes) == (VmState.TERMINATED, stop_reasons.BY_USER, ())
    assert vm_id not in world.hypervisor.power_states()


def test_volumes_go_with_their_vm_or_stay_available_as_their_flag_says(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    root, data = cast.running.volumes
    vm_transitions.delete(world.region, cast.alice, [cast.running.vm_id])
    world.run_all()
    seen = world.see()
    assert root.volume_id not in seen.volumes
    assert f"volumes {root.volume_id}" not in seen.rows
    left = read_volume(world.region, data.volume_id)
    assert (left.state, left.link) == (VolumeState.AVAILABLE, None)
    assert data.volume_id in seen.volumes


def test_a_flag_that_update_vm_sets_decides_what_stays(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    root, data = cast.running.volumes
    flags = (vms.DeletionFlag(delete=False, device_name="/dev/sda1"),
             vms.DeletionFlag(delete=True, volume_id=data.volume_id))  # fmt: skip
    vms.update(world.region, cast.alice, vms.Change(cast.running.vm_id, deletion_flags=flags))
    vm_transitions.delete(world.region, cast.alice, [cast.running.vm_id])
    world.run_all()
    assert read_volume(world.region, root.volume_id).state == VolumeState.AVAILABLE
    assert data.volume_id not in world.see().volumes


def test_the_volumes_of_every_vm_of_an_image_are_its_own(
    scene: tuple[World, Cast],
) -> None:
    world, cast = scene
    root = cast.running.volumes[0].volume_id
    world.disks.write(root, b"changed")
    (vm,) = launches.launch(world.region, cast.alice, launches.Launch(cast.image_id))
    world.run_all()
    assert world.disks.volume(vm.volumes[0].volume_id) == b"the system"
