"""Clean images as a region makes them: the original stays, and no failure leaves anything."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from souche.app import image_cleanings, images
from souche.app.image_cleanings import Clean
from souche.app.images import ImageSettings
from souche.model.image_cleanings import Cleaned
from souche.model.images import Image
from souche.reconcile import leftovers
from souche.refusals import CannotClean
from souche.room import Room, Usage
from souche.states import ImageState, SnapshotState
from souche.trust.cleaner import OnProgress
from souche.trust.engine import Facts
from tests.support.cleaners import DONE, StampingCleaner
from tests.support.inventories import inventory_of
from tests.support.resources import read_image, read_snapshot
from tests.workflows.world import Cast, World

Scene = tuple[World, Cast]


def pending(world: World, cast: Cast, name: str = "clean") -> Image:
    return image_cleanings.create(world.region, cast.alice, Clean(cast.image_id, ImageSettings(name)))


def with_cleaner(world: World, during: Callable[[], None]) -> World:
    return replace(world, parts=replace(world.parts, cleaner=StampingCleaner(during)))


def test_the_original_stays_and_what_was_done_is_kept(scene: Scene) -> None:
    world, cast = scene
    source = read_image(world.region, cast.image_id)
    image = pending(world, cast)
    before = world.see()
    world.run(world.the_operation())
    after = world.see()
    (old,), (new,) = source.snapshot_ids, image.snapshot_ids
    assert (after.snapshots[old], after.snapshots[new]) == (b"the system", b"the systemclean")
    assert after.volumes == before.volumes
    assert set(after.snapshots) == {*before.snapshots, new}
    assert read_image(world.region, image.image_id).state == ImageState.AVAILABLE
    assert read_snapshot(world.region, new).state == SnapshotState.COMPLETED
    cleaning = image_cleanings.of_image(world.region, image.image_id)
    assert cleaning is not None
    assert (cleaning.source_image_id, cleaning.engine, cleaning.done) == (cast.image_id, "stamp", DONE)
    assert image_cleanings.of_image(world.region, cast.image_id) is None


def test_its_snapshots_tell_how_far_it_is(scene: Scene) -> None:
    world, cast = scene
    image = pending(world, cast)
    seen: list[int] = []
    during = with_cleaner(world, lambda: seen.append(image_cleanings.progress_percent(world.region, image)))
    during.run(world.the_operation())
    assert seen == [50]


def test_an_image_that_is_deleted_while_it_is_made_leaves_nothing(scene: Scene) -> None:
    world, cast = scene
    image = pending(world, cast)
    before = world.see()
    during = with_cleaner(world, lambda: images.delete(world.region, cast.alice, image.image_id))
    during.run(world.the_operation())
    after = world.see()
    assert (after.snapshots, after.volumes) == (before.snapshots, before.volumes)
    assert f"snapshots {image.snapshot_ids[0]}" not in after.rows
    assert f"images {image.image_id}" not in after.rows


def test_the_source_may_go_while_its_copy_is_cleaned(scene: Scene) -> None:
    world, cast = scene
    source = read_image(world.region, cast.image_id)
    image = pending(world, cast)

    def remove() -> None:
        images.delete(world.region, cast.alice, cast.image_id)
        world.disks.store.delete_snapshot(source.snapshot_ids[0])

    operation = next(each for each in world.outstanding() if each.workflow == "clean_image")
    with_cleaner(world, remove).run(operation)
    assert read_image(world.region, image.image_id).state == ImageState.AVAILABLE
    assert world.see().snapshots[image.snapshot_ids[0]] == b"the systemclean"


def test_what_cannot_be_cleaned_is_a_failed_image_with_the_reason(scene: Scene) -> None:
    world, cast = scene
    image = pending(world, cast)
    before = world.see()

    def refuse() -> None:
        raise CannotClean(reason="its system is Windows")

    with_cleaner(world, refuse).run(world.the_operation())
    failed = read_image(world.region, image.image_id)
    assert (failed.state, failed.mappings) == (ImageState.FAILED, ())
    assert failed.state_message == "The image cannot be cleaned: its system is Windows."
    assert (world.see().snapshots, world.see().volumes) == (before.snapshots, before.volumes)
    assert image_cleanings.of_image(world.region, image.image_id) is None


def test_it_stops_at_the_reserve(scene: Scene) -> None:
    world, cast = scene
    image = pending(world, cast)
    full = Room(lambda: Usage(1, 1), 2)
    short = replace(world, parts=replace(world.parts, room=full))
    short.run(world.the_operation())
    failed = read_image(world.region, image.image_id)
    assert failed.state == ImageState.FAILED
    assert "reserved" in (failed.state_message or "")


def test_sweeps_leave_what_is_being_cleaned_and_remove_what_is_left(scene: Scene) -> None:
    world, cast = scene
    image = pending(world, cast)
    seen: list[set[str]] = []

    def sweep() -> None:
        leftovers.remove(world.parts)
        inventory = inventory_of(world.disks.store)
        seen.append({*inventory.volume_ids, *inventory.snapshot_ids})

    with_cleaner(world, sweep).run(world.the_operation())
    working = image.snapshot_ids[0].replace("snap-", "clean-")
    assert working in seen[0]
    world.disks.store.copy_snapshot(working, image.snapshot_ids[0])
    world.disks.store.clone_volume(working, working, 1024**3)
    assert leftovers.unrecorded_disks(world.region.store, world.disks.store).all() == frozenset()
    leftovers.remove(world.parts)
    inventory = inventory_of(world.disks.store)
    assert working not in {*inventory.volume_ids, *inventory.snapshot_ids}
    assert world.disks.store.trash() == []


def test_images_are_cleaned_one_at_a_time(scene: Scene) -> None:
    world, cast = scene
    for name in ("first", "second", "third"):
        pending(world, cast, name)
    running, most = 0, 0
    guard, entered = threading.Lock(), threading.Event()

    class Counting(StampingCleaner):
        def clean(self, disks: Sequence[str], facts: Facts, on_progress: OnProgress) -> Cleaned:
            nonlocal running, most
            with guard:
                running += 1
                most = max(most, running)
            entered.wait(0.05)
            try:
                return super().clean(disks, facts, on_progress)
            finally:
                with guard:
                    running -= 1

    busy = replace(world, parts=replace(world.parts, cleaner=Counting()))
    threads = [threading.Thread(target=busy.run, args=(each,)) for each in world.outstanding()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (running, most) == (0, 1)
    images_of = [row for key, row in world.see().rows.items() if key.startswith("images ")]
    assert {row["state"] for row in images_of} == {ImageState.AVAILABLE}
