"""A complete image stays complete when its workflow restarts: its journal may be lost before the operation is erased.
By then what the image was made of may be deleted, and so may one of its snapshots."""

from contextlib import suppress

import pytest

from souche.app import images, snapshots
from souche.compute.base import PowerState
from souche.compute.simulated import SimulatedHypervisor
from souche.db import images as image_records
from souche.db import snapshots as snapshot_records
from souche.model.images import Image
from souche.model.operations import Operation
from souche.model.snapshots import Snapshot
from souche.states import ImageState, SnapshotState, VmState
from souche.workflows import engine
from souche.workflows.catalogue import CATALOGUE
from tests.support.inventories import inventory_of
from tests.workflows.scenarios import SCENARIOS
from tests.workflows.test_third_law import CutOff, Cutting
from tests.workflows.world import Cast, World

REQUESTS = {scenario.name: scenario.request for scenario in SCENARIOS}


def cut_after_complete(world: World, cast: Cast, name: str, more_steps: int = 0) -> Operation:
    """Run a workflow until its image is complete, and some steps more."""
    REQUESTS[name](world, cast)
    operation = world.the_operation()
    done = engine.step_names(CATALOGUE[operation.workflow]).index("complete") + 1 + more_steps
    with pytest.raises(CutOff):
        world.run(operation, Cutting(2 * done))
    return operation


def run_others(world: World, operation: Operation) -> None:
    for each in world.outstanding():
        if each.operation_id != operation.operation_id:
            world.run(each)


def image_of(world: World, image_id: str) -> Image:
    with world.region.store.read() as connection:
        image = image_records.get(connection, image_id)
    assert image is not None
    return image


def made_for(world: World, image_id: str) -> list[Snapshot]:
    with world.region.store.read() as connection:
        return snapshot_records.of_image_creation(connection, image_id)


@pytest.mark.parametrize("name", ["create_image", "create_image of a running VM"])
def test_a_snapshot_stays_that_the_image_and_another_one_are_deleted_beside(
    world: World, cast: Cast, name: str
) -> None:
    """The deletion is cut off as well, when the bytes are gone and the record is not."""
    operation = cut_after_complete(world, cast, name)
    deleted, *kept = (each.snapshot_id for each in made_for(world, operation.subject_id))
    images.delete(world.region, cast.alice, operation.subject_id)
    snapshots.delete(world.region, cast.alice, deleted)
    (deletion,) = (each for each in world.outstanding() if each != operation)
    with suppress(CutOff):
        world.run(deletion, Cutting(1))
    world.run(operation)
    world.run_all()
    assert inventory_of(world.disks.store).snapshot_ids >= set(kept)
    left = {each.snapshot_id: each.state for each in made_for(world, operation.subject_id)}
    assert left == dict.fromkeys(kept, SnapshotState.COMPLETED)


def test_a_vm_stays_up_whose_image_is_deleted_with_all_snapshots(
    world: World, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was shut down, and the image made, a second time, which failed."""
    images.create_from_vm(
        world.region,
        cast.alice,
        images.FromVm(images.ImageSettings("at rest"), cast.running.vm_id, no_reboot=False),
    )
    operation = world.the_operation()
    done = engine.step_names(CATALOGUE[operation.workflow]).index("start") + 1
    with pytest.raises(CutOff):
        world.run(operation, Cutting(2 * done))
    made = [each.snapshot_id for each in made_for(world, operation.subject_id)]
    images.delete(world.region, cast.alice, operation.subject_id)
    for snapshot_id in made:
        snapshots.delete(world.region, cast.alice, snapshot_id)
    run_others(world, operation)
    assert made_for(world, operation.subject_id) == []
    monkeypatch.setattr(SimulatedHypervisor, "shut_down", lambda *_: pytest.fail("the VM is shut down"))
    world.run(operation)
    assert world.outstanding() == []
    assert world.vm(cast.running.vm_id).state == VmState.RUNNING
    assert world.hypervisor.power_states()[cast.running.vm_id] == PowerState.RUNNING


def test_a_clean_image_outlives_its_source(world: World, cast: Cast) -> None:
    operation = cut_after_complete(world, cast, "clean_image", more_steps=1)
    source = image_of(world, cast.image_id)
    images.delete(world.region, cast.alice, source.image_id)
    snapshots.delete(world.region, cast.alice, source.root_mapping.snapshot_id or "")
    run_others(world, operation)
    world.run(operation)
    assert image_of(world, operation.subject_id).state == ImageState.AVAILABLE
    assert {each.snapshot_id for each in made_for(world, operation.subject_id)} <= set(world.see().snapshots)
