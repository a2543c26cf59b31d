"""What the engine does around the steps, and what workflows lock."""

from collections.abc import Callable, MutableMapping
from dataclasses import replace
from typing import Any

import pytest

from souche.app import images, launches, snapshots, vm_transitions, volumes
from souche.compute.base import PowerState
from souche.compute.simulated import SimulatedHypervisor
from souche.db import operations
from souche.db import snapshots as snapshot_records
from souche.db import volumes as volume_records
from souche.errors import ComputeFailed, RecordsUnavailable, StorageFailed
from souche.model.accounts import Principal
from souche.model.operations import Operation, RawParams
from souche.refusals import NoSuchSnapshot
from souche.states import ImageState, LinkState, SnapshotState, VmState, VolumeState
from souche.workflows import engine
from souche.workflows.catalogue import CATALOGUE
from souche.workflows.parts import Parts
from tests.support.region import RecordedWorkflows
from tests.support.resources import read_image
from tests.workflows.journals import Failing, Twice
from tests.workflows.scenarios import SCENARIOS, Scenario
from tests.workflows.world import NETWORK, Cast, World


def test_operation_that_is_done_is_not_done_again(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    vm_transitions.stop(world.region, cast.alice, [cast.running.vm_id], force=True)
    stop = world.the_operation()
    world.run(stop)
    vm_transitions.start(world.region, cast.alice, [cast.running.vm_id])
    world.run_all()
    world.run(stop)
    assert world.vm(cast.running.vm_id).state == VmState.RUNNING
    assert world.hypervisor.power_states()[cast.running.vm_id] == PowerState.RUNNING


def test_journal_that_fails_undoes_nothing(scene: tuple[World, Cast]) -> None:
    """Whether the step was done is not known, so the operation is outstanding and the next run goes on."""
    world, cast = scene
    images.create_from_vm(
        world.region,
        cast.alice,
        images.FromVm(images.ImageSettings("image"), cast.running.vm_id, no_reboot=True),
    )
    operation = world.the_operation()

    class Torn(engine.Unjournalled):
        def once(self, name: str, action: object, *, until_success: bool) -> str | None:
            if name == "complete":
                raise OSError("disk full")
            return super().once(name, action, until_success=until_success)  # type: ignore[arg-type]

    with pytest.raises(OSError, match="disk full"):
        world.run(operation, Torn())
    assert world.outstanding() == [operation]
    world.run(operation)
    assert world.outstanding() == []
    assert len(world.see().snapshots) == 4


def test_a_commit_whose_answer_is_lost_is_not_undone(scene: tuple[World, Cast]) -> None:
    """By a command, whose steps no journal remembers: the image was taken back that had been seen as `available`."""
    world, cast = scene
    images.create_from_vm(
        world.region,
        cast.alice,
        images.FromVm(images.ImageSettings("image"), cast.running.vm_id, no_reboot=True),
    )
    operation = world.the_operation()

    class Lost(engine.Unjournalled):
        def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
            def act() -> None:
                action()
                if name == "complete":
                    raise RecordsUnavailable(reason="lost")

            return super().once(name, act, until_success=until_success)

    with pytest.raises(RecordsUnavailable):
        world.run(operation, Lost())
    assert world.outstanding() == [operation]
    assert read_image(world.region, operation.subject_id).state == ImageState.AVAILABLE
    world.run(operation)
    assert read_image(world.region, operation.subject_id).state == ImageState.AVAILABLE


def _names(world: World, operation: Operation) -> frozenset[str]:
    with world.region.store.read() as connection:
        return CATALOGUE[operation.workflow].lock(connection, operation)


def test_whoever_touches_a_volume_holds_it(scene: tuple[World, Cast]) -> None:
    """Attaching must not meet capturing: a guest would go on writing to what was frozen."""
    world, cast = scene
    region, alice, vm = world.region, cast.alice, cast.running
    root, data = (volume.volume_id for volume in vm.volumes)
    snapshots.create_from_volume(region, alice, snapshots.FromVolume(cast.volume_id))
    assert _names(world, world.the_operation()) == {cast.volume_id}
    volumes.link(region, alice, volumes.Link(cast.volume_id, vm.vm_id, "/dev/xvdc"))
    capture, link = world.outstanding()
    assert _names(world, capture) == _names(world, link) == {cast.volume_id, vm.vm_id}
    world.run_all()
    wanted = images.FromVm(images.ImageSettings("image"), vm.vm_id, no_reboot=True)
    images.create_from_vm(region, alice, wanted)
    image = next(each for each in world.outstanding() if each.workflow == "create_image")
    assert _names(world, image) == {vm.vm_id, root, data, cast.volume_id}


def test_vm_starts_without_a_volume_that_is_still_being_attached(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    vm_id = cast.stopped.vm_id
    volumes.link(world.region, cast.alice, volumes.Link(cast.volume_id, vm_id, "/dev/xvdc"))
    link = world.the_operation()
    vm_transitions.start(world.region, cast.alice, [vm_id])
    start = next(each for each in world.outstanding() if each != link)
    world.run(start)
    assert cast.volume_id not in (world.hypervisor.open_disks(vm_id) or {})
    world.run(link)
    assert cast.volume_id in (world.hypervisor.open_disks(vm_id) or {})


def test_deletion_overtakes_a_launch(scene: tuple[World, Cast]) -> None:
    """A terminated VM is not launched, in any order of operations."""
    world, cast = scene
    (vm,) = launches.launch(world.region, cast.alice, launches.Launch(cast.image_id))
    launch = world.the_operation()
    vm_transitions.delete(world.region, cast.alice, [vm.vm_id])
    delete = next(each for each in world.outstanding() if each != launch)
    world.run(delete)
    world.run(launch)
    assert world.vm(vm.vm_id).state == VmState.TERMINATED
    assert vm.vm_id not in world.hypervisor.power_states()
    assert world.outstanding() == []


@pytest.mark.parametrize("first", ["start_vm", "delete_vm"])
def test_deletion_goes_before_a_start(scene: tuple[World, Cast], first: str) -> None:
    world, cast = scene
    vm_id = cast.stopped.vm_id
    vm_transitions.start(world.region, cast.alice, [vm_id])
    vm_transitions.delete(world.region, cast.alice, [vm_id])
    by_name = {operation.workflow: operation for operation in world.outstanding()}
    world.run(by_name.pop(first))
    assert world.vm(vm_id).state in (VmState.SHUTTING_DOWN, VmState.TERMINATED)
    world.run_all()
    assert world.vm(vm_id).state == VmState.TERMINATED
    assert vm_id not in world.hypervisor.power_states()


def test_late_attachment_leaves_another_vms_link_alone(scene: tuple[World, Cast]) -> None:
    """The VM goes while the attachment waits, and the volume is attached to another one meanwhile."""
    world, cast = scene
    region, alice, volume_id = world.region, cast.alice, cast.volume_id
    volumes.link(region, alice, volumes.Link(volume_id, cast.running.vm_id, "/dev/xvdc"))
    late = world.the_operation()
    vm_transitions.delete(region, alice, [cast.running.vm_id])
    world.run(next(each for each in world.outstanding() if each != late))
    volumes.link(region, alice, volumes.Link(volume_id, cast.stopped.vm_id, "/dev/xvdc"))
    world.run(next(each for each in world.outstanding() if each != late))
    world.run(late)
    with region.store.read() as connection:
        volume = volume_records.get(connection, volume_id)
    assert volume is not None
    assert volume.link is not None
    assert (volume.state, volume.link.vm_id) == (VolumeState.IN_USE, cast.stopped.vm_id)


def test_snapshot_of_a_volume_that_is_gone_is_an_error(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    made = snapshots.create_from_volume(world.region, cast.alice, snapshots.FromVolume(cast.volume_id))
    world.disks.store.delete_volume(cast.volume_id)
    world.run_all()
    with world.region.store.read() as connection:
        snapshot = snapshot_records.get(connection, made.snapshot_id)
    assert snapshot is not None
    assert snapshot.state == SnapshotState.ERROR
    assert world.outstanding() == []


class Stubborn(SimulatedHypervisor):
    """Its guests do not release a disk."""

    def detach(self, vm_id: str, volume_id: str) -> None:
        raise ComputeFailed(reason=f"{vm_id} did not release {volume_id}")


def _link_state(world: World, volume_id: str) -> LinkState | None:
    with world.region.store.read() as connection:
        volume = volume_records.get(connection, volume_id)
    return volume.link.state if volume and volume.link else None


class Watching(engine.Unjournalled):
    """Notes whether a guest runs after each step."""

    def __init__(self, world: World, vm_id: str) -> None:
        self._world, self._vm_id = world, vm_id
        self.power: dict[str, PowerState] = {}

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        reason = super().once(name, action, until_success=until_success)
        self.power[name] = self._world.hypervisor.power_states()[self._vm_id]
        return reason


@pytest.mark.parametrize("no_reboot", [False, True])
def test_vm_is_shut_down_for_its_image_and_started_again_unless_it_must_not_be(
    scene: tuple[World, Cast],
    no_reboot: bool,  # noqa: FBT001
) -> None:
    world, cast = scene
    vm_id = cast.running.vm_id
    wanted = images.FromVm(images.ImageSettings("golden"), vm_id, no_reboot=no_reboot)
    made = images.create_from_vm(world.region, cast.alice, wanted)
    journal = Watching(world, vm_id)
    world.run(world.the_operation(), journal)
    at_capture = PowerState.RUNNING if no_reboot else PowerState.OFF
    assert (journal.power["capture"], journal.power["start"]) == (at_capture, PowerState.RUNNING)
    assert world.vm(vm_id).state == VmState.RUNNING
    assert read_image(world.region, made.image_id).state == ImageState.AVAILABLE


IMAGES = [scenario for scenario in SCENARIOS if "image" in scenario.name and "export" not in scenario.name]


@pytest.mark.parametrize("scenario", IMAGES, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("fails", [False, True])
def test_image_that_was_deleted_while_pending_leaves_all_else_settled(
    scene: tuple[World, Cast],
    scenario: Scenario,
    fails: bool,  # noqa: FBT001
) -> None:
    """Its snapshots stay when it could have been made, and go when it could not (reference section 2). An import and a
    cleaning are cancelled: they take long, and their result is not needed."""
    world, cast = scene
    before = world.see()
    scenario.request(world, cast)
    (operation,) = world.outstanding()
    images.delete(world.region, _owner(world, operation.subject_id), operation.subject_id)
    first = CATALOGUE[operation.workflow].steps[0].name
    world.run(operation, Failing(first, StorageFailed(reason="injected"), after_work=True) if fails else None)
    after = world.see()
    assert (after.outstanding, after.staged) == ([], [])
    assert after.power == before.power
    assert not [key for key in after.rows if operation.subject_id in key]
    made = after.rows.keys() - before.rows.keys()
    given_up = fails or operation.workflow in ("import_image_from_manifest", "clean_image")
    assert {key.partition(" ")[0] for key in made} == (set() if given_up else {"snapshots"})
    assert {after.rows[key]["state"] for key in made if after.rows[key]} <= {SnapshotState.COMPLETED}
    assert len(after.snapshots) == len(before.snapshots) + len(made)


def _owner(world: World, image_id: str) -> Principal:
    return Principal(read_image(world.region, image_id).account_id)


def test_volume_that_a_guest_keeps_is_attached(scene: tuple[World, Cast]) -> None:
    """Neither an unlink that fails, nor a link that cannot be undone, waits for the guest forever: it would hold the
    VM, which could not be stopped."""
    world, cast = scene
    parts = replace(world.parts, hypervisor=Stubborn(world.home, NETWORK))
    data = cast.running.volumes[1].volume_id
    volumes.unlink(world.region, cast.alice, data)
    unlink = world.the_operation()
    engine.run(CATALOGUE["unlink_volume"], parts, unlink, engine.Unjournalled())
    assert _link_state(world, data) == LinkState.ATTACHED
    volumes.link(world.region, cast.alice, volumes.Link(cast.volume_id, cast.running.vm_id, "/dev/xvdc"))
    journal = Failing("record", StorageFailed(reason="injected"), after_work=False)
    engine.run(CATALOGUE["link_volume"], parts, world.the_operation(), journal)
    assert _link_state(world, cast.volume_id) == LinkState.ATTACHED
    assert world.outstanding() == []


class Broken(RecordedWorkflows):
    def start(self, operation: Operation) -> None:
        raise OSError(f"{operation.operation_id}: the journal's disk is full")


def test_operation_that_cannot_be_started_stays(scene: tuple[World, Cast]) -> None:
    """It is committed, so the caller is not told that it failed; the sweep starts it."""
    world, cast = scene
    region = replace(world.region, workflows=Broken())
    volumes.delete(region, cast.alice, cast.volume_id)
    assert world.the_operation().workflow == "delete_volume"


def test_undo_that_is_refused_for_good_is_logged_and_not_tried_again(
    scene: tuple[World, Cast], logged: list[MutableMapping[str, Any]]
) -> None:
    """The undos before it, and the record of the failure, still come."""
    world, cast = scene
    ended: list[str] = []

    def refuse(_parts: Parts, _operation: Operation) -> None:
        ended.append("refused")
        raise NoSuchSnapshot(snapshot_id="snap-0000abcd")

    def fail(_parts: Parts, _operation: Operation) -> None:
        raise StorageFailed(reason="injected")

    steps = (
        engine.Step("first", engine.nothing, lambda _parts, _operation: ended.append("undone")),
        engine.Step("second", engine.nothing, refuse),
        engine.Step("third", fail),
    )
    workflow = engine.Workflow(
        RawParams, steps, failed=lambda _parts, _operation, reason: ended.append(reason)
    )
    operation = Operation("test:1", "test", cast.volume_id, RawParams({}))
    with world.region.store.begin() as connection:
        operations.insert(connection, operation, [], world.parts.clock.now())
    engine.run(workflow, world.parts, operation, Twice("no step"))
    assert ended == ["refused", "undone", "The volume store failed: injected"]
    (told,) = [line for line in logged if "undo" in line]
    assert (told["undo"], told["operation"]) == ("second", "test:1")
    assert "snap-0000abcd" in told["reason"]
    assert world.outstanding() == []
