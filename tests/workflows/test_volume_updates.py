"""Volumes that change while they are in use or not, and the history of stops."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.app import vm_stops, vm_transitions, volume_updates
from souche.app.volume_updates import Change
from souche.formats.qcow2 import read_header
from souche.model.query import Query
from souche.states import VolumeUpdateState
from tests.support.resources import read_volume
from tests.workflows.world import Cast, World, original

GIB = 1024**3


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[World, Cast]]:
    made = original(tmp_path / "original", "qcow2")
    world = made.copy(tmp_path / "world")
    yield world, made.cast
    world.close()


def size_bytes(world: World, volume_id: str) -> int:
    with (world.home / "disks" / "volumes" / volume_id).resolve().open("rb") as disk:
        return read_header(disk).virtual_size_bytes


@pytest.mark.parametrize("kind", ["unattached", "of a running VM", "of a stopped VM"])
def test_the_disk_of_a_volume_grows_attached_or_not_and_keeps_its_bytes(
    scene: tuple[World, Cast], kind: str
) -> None:
    world, cast = scene
    volume_id = {
        "unattached": cast.volume_id,
        "of a running VM": cast.running.volumes[1].volume_id,
        "of a stopped VM": cast.stopped.volumes[0].volume_id,
    }[kind]
    before = world.disks.volume(volume_id)
    volume_updates.update(world.region, cast.alice, Change(volume_id, size_gib=3))
    world.run_all()
    assert size_bytes(world, volume_id) == 3 * GIB
    assert world.disks.volume(volume_id) == before
    changed = read_volume(world.region, volume_id)
    assert (changed.size_gib, changed.update) == (3, None)


def test_type_and_iops_change_with_the_record_alone(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    volume_updates.update(world.region, cast.alice, Change(cast.volume_id, 4, "io1", 200))
    world.run_all()
    changed = read_volume(world.region, cast.volume_id)
    assert (changed.size_gib, changed.volume_type, changed.iops) == (4, "io1", 200)
    (task,) = volume_updates.find(world.region, cast.alice, Query()).resources
    assert task.state == VolumeUpdateState.COMPLETED
    assert task.completion_date is not None


def test_a_stop_goes_into_the_history(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    before, _ = vm_stops.find(world.region, cast.alice, Query())
    assert [each.vm_id for each in before] == [cast.stopped.vm_id]
    vm_transitions.stop(world.region, cast.alice, [cast.running.vm_id], force=True)
    world.run_all()
    after, _ = vm_stops.find(world.region, cast.alice, Query())
    assert {each.vm_id for each in after} == {cast.stopped.vm_id, cast.running.vm_id}
    assert {each.state_reason for each in after} == {"Client.UserInitiatedShutdown: User initiated shutdown"}
