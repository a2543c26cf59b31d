"""What goes with a resource that is deleted."""

from souche.app import images, snapshots, tags, vm_transitions, volumes
from souche.model.query import Query
from souche.reconcile import leftovers
from tests.support.region import ManualClock
from tests.workflows.world import Cast, World


def tagged(world: World, cast: Cast) -> set[str]:
    found, _ = tags.find(world.region, cast.alice, Query())
    return {tag.resource_id for tag in found}


def test_tags_go_with_their_resource(scene: tuple[World, Cast]) -> None:
    world, cast = scene
    region, alice, vm = world.region, cast.alice, cast.running
    root = vm.volumes[0].volume_id
    ids = [cast.image_id, cast.snapshot_id, cast.volume_id, vm.vm_id, root]
    tags.put(region, alice, ids, {"k": "v"})
    images.delete(region, alice, cast.image_id)
    snapshots.delete(region, alice, cast.snapshot_id)
    volumes.delete(region, alice, cast.volume_id)
    vm_transitions.delete(region, alice, [vm.vm_id])
    world.run_all()
    assert tagged(world, cast) == {vm.vm_id}, "a terminated VM is listed with its tags"
    clock = world.parts.clock
    assert isinstance(clock, ManualClock)
    clock.advance(minutes=61)
    leftovers.forget_terminated(world.parts)
    assert tagged(world, cast) == set()
