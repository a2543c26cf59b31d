"""Snapshots once their workflows have run: completed, with the bytes of their moment, and independent."""

import pytest

from souche.app import images, snapshots, volume_updates, volumes
from souche.app.snapshots import Copy, FromVolume
from souche.states import SnapshotState
from tests.support.resources import read_image, read_snapshot
from tests.workflows.world import Cast, World


@pytest.mark.parametrize("kind", ["of a volume", "of an attached volume", "a copy"])
def test_a_snapshot_ends_completed_with_a_progress_of_100(scene: tuple[World, Cast], kind: str) -> None:
    world, cast = scene
    if kind == "a copy":
        made = snapshots.copy(world.region, cast.alice, Copy(cast.snapshot_id, world.region.name))
    else:
        volume_id = cast.volume_id if kind == "of a volume" else cast.running.volumes[0].volume_id
        made = snapshots.create_from_volume(world.region, cast.alice, FromVolume(volume_id))
    assert (made.state, made.progress_percent) == (SnapshotState.IN_QUEUE, 0)
    world.run_all()
    settled = read_snapshot(world.region, made.snapshot_id)
    assert (settled.state, settled.progress_percent) == (SnapshotState.COMPLETED, 100)


def test_a_snapshot_has_the_bytes_of_its_moment(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    made = snapshots.create_from_volume(world.region, cast.alice, FromVolume(cast.volume_id))
    world.run_all()
    world.disks.write(cast.volume_id, b"written later")
    assert world.disks.snapshot(made.snapshot_id) == b"the system"
    assert world.disks.volume(cast.volume_id).startswith(b"written later")


def test_deleting_a_snapshot_leaves_its_volume_volumes_of_it_copies_and_later_ones_alone(
    scene: tuple[World, Cast],
) -> None:
    world, cast = scene
    region, alice = world.region, cast.alice
    copy = snapshots.copy(region, alice, Copy(cast.snapshot_id, region.name))
    wanted = volumes.Create(region.subregion_name, snapshot_id=cast.snapshot_id)
    clone = volumes.create(region, alice, wanted)
    later = snapshots.create_from_volume(region, alice, FromVolume(cast.volume_id))
    world.run_all()
    snapshots.delete(region, alice, cast.snapshot_id)
    world.run_all()
    seen = world.see()
    assert cast.snapshot_id not in seen.snapshots
    assert f"snapshots {cast.snapshot_id}" not in seen.rows
    assert {seen.snapshots[copy.snapshot_id], seen.snapshots[later.snapshot_id]} == {b"the system"}
    assert {seen.volumes[clone.volume_id], seen.volumes[cast.volume_id]} == {b"the system"}


@pytest.mark.parametrize("grown_to", [1, 4])
def test_a_snapshot_has_the_size_of_what_was_captured(scene: tuple[World, Cast], grown_to: int) -> None:
    """Not the size at the request: an update under way may fail, before or after the disk has grown."""
    world, cast = scene
    volume_id = cast.running.volumes[1].volume_id
    volume_updates.update(world.region, cast.alice, volume_updates.Change(volume_id, size_gib=2))
    made = snapshots.create_from_volume(world.region, cast.alice, FromVolume(volume_id))
    wanted = images.FromVm(images.ImageSettings("image"), cast.running.vm_id, no_reboot=True)
    image = images.create_from_vm(world.region, cast.alice, wanted)
    assert (made.volume_size_gib, image.mappings[1].volume_size_gib) == (2, 2)
    world.disks.store.grow_volume(volume_id, grown_to * 1024**3)
    for operation in world.outstanding()[1:]:
        world.run(operation)
    captured = read_image(world.region, image.image_id)
    assert read_snapshot(world.region, made.snapshot_id).volume_size_gib == grown_to
    assert [mapping.volume_size_gib for mapping in captured.mappings] == [1, grown_to]
    sizes = [read_snapshot(world.region, each).volume_size_gib for each in captured.snapshot_ids]
    assert sizes == [1, grown_to]
