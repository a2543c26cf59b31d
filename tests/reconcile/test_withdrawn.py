"""Withdrawn official images go when their days of grace are over (docs/official-images.md)."""

from datetime import timedelta
from pathlib import Path

from souche.app import image_lives, launches, official_images
from souche.app.image_lives import Departure
from souche.app.launches import Launch
from souche.app.official_images import DiskImage
from souche.db import images, snapshots
from souche.model.accounts import Principal
from souche.model.images import Image
from souche.reconcile import withdrawn
from souche.states import ImageState
from souche.transfer.gate import AdmittedDisk
from tests.support.region import ManualClock
from tests.support.resources import make_image
from tests.workflows.world import Original, World


def publish(world: World) -> Image:
    """An image of the family Test, taken in."""
    disk = world.home / "staging" / "disk.raw"
    disk.write_bytes(b"disk".ljust(2**16, b"\0"))
    wanted = DiskImage(AdmittedDisk(disk, "raw", 1 * 1024**3), "Test", "", ("legacy",), grace_days=2)
    image = official_images.publish(world.region, wanted)
    world.run_all()
    clock(world).advance(hours=1)
    return read(world, image) or image


def clock(world: World) -> ManualClock:
    assert isinstance(world.parts.clock, ManualClock)
    return world.parts.clock


def read(world: World, image: Image) -> Image | None:
    with world.region.store.read() as connection:
        return images.get(connection, image.image_id)


def has_snapshot(world: World, image: Image) -> bool:
    with world.region.store.read() as connection:
        return snapshots.get(connection, image.snapshot_ids[0]) is not None


def test_an_update_withdraws_the_image_before_it(world: World) -> None:
    first, second = publish(world), publish(world)
    former = read(world, first)
    assert former is not None
    assert former.launchable_until is not None
    assert second.launchable_until is None
    third = publish(world)
    assert read(world, first) == former
    assert third.state == ImageState.AVAILABLE


def test_a_withdrawn_image_goes_with_its_snapshots_after_the_days_of_grace(
    world: World, origin: Original
) -> None:
    first, second = publish(world), publish(world)
    clock(world).advance(days=1)
    withdrawn.remove(world.parts)
    assert launches.launch(world.region, origin.cast.alice, Launch(first.image_id))
    world.run_all()
    clock(world).advance(days=1)
    for _ in range(2):
        withdrawn.remove(world.parts)
    assert read(world, first) is None
    world.run_all()
    assert not has_snapshot(world, first)
    assert read(world, second) == second
    assert has_snapshot(world, second)


def test_a_snapshot_that_another_image_has_stays(world: World) -> None:
    first = publish(world)
    make_image(world.region, Principal(first.account_id), "other", mappings=first.mappings)
    publish(world)
    clock(world).advance(days=3)
    withdrawn.remove(world.parts)
    world.run_all()
    assert read(world, first) is None
    assert has_snapshot(world, first)


def test_an_image_waits_for_the_volumes_that_are_being_made_of_it(world: World, origin: Original) -> None:
    first = publish(world)
    publish(world)
    launches.launch(world.region, origin.cast.alice, Launch(first.image_id))
    clock(world).advance(days=3)
    withdrawn.remove(world.parts)
    assert read(world, first) is not None
    world.run_all()
    withdrawn.remove(world.parts)
    assert read(world, first) is None


def test_an_update_that_fails_withdraws_nothing(world: World) -> None:
    first = publish(world)
    official_images.publish(
        world.region, DiskImage(AdmittedDisk(Path("/not/there"), "raw", 1 * 1024**3), "Test", "", ("legacy",))
    )
    world.run_all()
    now = read(world, first)
    assert now is not None
    assert now.launchable_until is None


def test_a_deprecated_image_is_withdrawn_on_its_date_and_goes_after_the_days_of_grace(world: World) -> None:
    image, date = publish(world), clock(world).now() + timedelta(days=1)
    image_lives.deprecate(world.region, image.image_id, date, Departure(grace_days=2))
    withdrawn.retire(world.parts)
    assert read(world, image) == image
    clock(world).advance(days=2)
    for _ in range(2):
        withdrawn.retire(world.parts)
    now = read(world, image)
    assert now is not None
    assert now.launchable_until == date + timedelta(days=2)
    clock(world).advance(days=2)
    withdrawn.retire(world.parts)
    assert read(world, image) is None


def test_a_region_that_did_not_run_for_long_withdraws_it_at_its_start(world: World) -> None:
    image = publish(world)
    image_lives.deprecate(world.region, image.image_id, clock(world).now() + timedelta(days=1), Departure())
    clock(world).advance(days=40)
    withdrawn.retire(world.parts)
    assert read(world, image) is None


def test_a_withdrawn_image_that_was_brought_back_stays(world: World) -> None:
    image = publish(world)
    image_lives.withdraw(world.region, image.image_id, Departure(grace_days=1), now=True)
    image_lives.undo(world.region, image.image_id)
    clock(world).advance(days=2)
    withdrawn.retire(world.parts)
    assert read(world, image) == image
