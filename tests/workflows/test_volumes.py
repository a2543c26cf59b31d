"""Volumes once their workflows have run: available with the right bytes, in the guest, or gone."""

import pytest

from souche.app import volumes
from souche.app.volumes import Create, Link
from souche.states import LinkState, VolumeState
from tests.support.resources import read_volume
from tests.workflows.world import Cast, World


@pytest.mark.parametrize("from_snapshot", [False, True])
def test_a_new_volume_becomes_available_empty_or_with_the_bytes_of_its_snapshot(
    scene: tuple[World, Cast],
    from_snapshot: bool,  # noqa: FBT001
) -> None:
    world, cast = scene
    snapshot_id = cast.snapshot_id if from_snapshot else None
    wanted = Create(world.region.subregion_name, size_gib=2, snapshot_id=snapshot_id)
    volume = volumes.create(world.region, cast.alice, wanted)
    assert volume.state == VolumeState.CREATING
    world.run_all()
    assert read_volume(world.region, volume.volume_id).state == VolumeState.AVAILABLE
    assert world.disks.volume(volume.volume_id) == (b"the system" if from_snapshot else b"")


@pytest.mark.parametrize("which", ["running", "stopped"])
def test_a_linked_volume_is_attached_and_open_to_a_running_guest(
    scene: tuple[World, Cast], which: str
) -> None:
    world, cast = scene
    vm = getattr(cast, which)
    volumes.link(world.region, cast.alice, Link(cast.volume_id, vm.vm_id, "/dev/xvdc"))
    world.run_all()
    linked = read_volume(world.region, cast.volume_id)
    assert linked.link is not None
    assert (linked.state, linked.link.state) == (VolumeState.IN_USE, LinkState.ATTACHED)
    assert (cast.volume_id in (world.hypervisor.open_disks(vm.vm_id) or {})) == (which == "running")


def test_an_unlinked_volume_is_available_keeps_its_bytes_and_is_closed_to_the_guest(
    scene: tuple[World, Cast],
) -> None:
    world, cast = scene
    data = cast.running.volumes[1].volume_id
    before = world.disks.volume(data)
    volumes.unlink(world.region, cast.alice, data)
    world.run_all()
    left = read_volume(world.region, data)
    assert (left.state, left.link) == (VolumeState.AVAILABLE, None)
    assert data not in (world.hypervisor.open_disks(cast.running.vm_id) or {})
    assert world.disks.volume(data) == before


def test_a_deleted_volume_is_gone_and_its_snapshots_stay(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    volumes.delete(world.region, cast.alice, cast.volume_id)
    world.run_all()
    seen = world.see()
    assert cast.volume_id not in seen.volumes
    assert f"volumes {cast.volume_id}" not in seen.rows
    assert seen.snapshots[cast.snapshot_id] == b"the system"
