"""The deletion of imports under way, complete or waiting for their turn."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from souche.app import image_imports, images, snapshot_imports, snapshots
from souche.app.image_imports import FromManifest
from souche.app.images import ImageSettings
from souche.app.snapshot_imports import FromUrl
from souche.model.accounts import Principal
from souche.refusals import SnapshotInUse
from souche.workflows import engine
from tests.support.exported import MIB, SYSTEM, disk, packed, put_disk, put_manifest
from tests.support.polling import eventually
from tests.workflows.importing import alice as alice
from tests.workflows.importing import nothing_left
from tests.workflows.importing import world as world
from tests.workflows.world import Row, World


def cancelled_snapshot(world: World, alice: Principal, url: str) -> Callable[[], None]:
    snapshot = snapshot_imports.create(world.region, alice, FromUrl(url, 4 * MIB))
    return lambda: snapshots.delete(world.region, alice, snapshot.snapshot_id)


def cancelled_image(world: World, alice: Principal, url: str) -> Callable[[], None]:
    location = put_manifest(disk(put_disk(packed(SYSTEM))), disk(url, Device="/dev/xvdb"))
    image = image_imports.create(world.region, alice, FromManifest(ImageSettings(None), location))
    return lambda: images.delete(world.region, alice, image.image_id)


CANCELLED = {"a snapshot": cancelled_snapshot, "an image": cancelled_image}


@dataclass
class At:
    """A journal that does something at a moment of a step."""

    step: str
    moment: str
    do: Callable[[], None]

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        if (name, self.moment) == (self.step, "before"):
            self.do()
        reason = engine.Unjournalled().once(name, action, until_success=until_success)
        if (name, self.moment) == (self.step, "after"):
            self.do()
        return reason


def untouched(world: World) -> bool:
    """Whether there is neither image nor snapshot nor disk, and nothing on its way."""
    rows = [key for key in world.see().rows if key.startswith(("snapshots", "images", "image_mappings"))]
    return nothing_left(world) and rows == []


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("kind", CANCELLED)
def test_a_deleted_import_leaves_nothing(world: World, alice: Principal, kind: str, moment: str) -> None:
    """Before its disks are taken in, and when they are."""
    delete = CANCELLED[kind](world, alice, put_disk(packed(SYSTEM)))
    world.run(world.the_operation(), At("take in", moment, delete))
    assert untouched(world)


@pytest.mark.parametrize("kind", CANCELLED)
def test_an_import_that_downloads_hears_that_it_is_deleted(world: World, alice: Principal, kind: str) -> None:
    """Its server sends nothing for a quarter of an hour."""
    delete = CANCELLED[kind](world, alice, put_disk(SYSTEM, pause_seconds=900))
    operation = world.the_operation()
    work = threading.Thread(target=world.run, args=(operation,), daemon=True)
    work.start()
    eventually(lambda: [row["state"] for row in snapshot_rows(world)].count("pending") > 0, 20)
    delete()
    work.join(15)
    assert not work.is_alive()
    assert untouched(world)


def snapshot_rows(world: World) -> list[Row]:
    return [row for key, row in world.see().rows.items() if key.startswith("snapshots")]


@pytest.mark.parametrize("kind", CANCELLED)
def test_an_import_that_waits_for_its_turn_hears_that_it_is_deleted(
    world: World, alice: Principal, kind: str
) -> None:
    delete = CANCELLED[kind](world, alice, put_disk(packed(SYSTEM)))
    turns = world.parts.importer.turns
    with ExitStack() as held:
        for account_id in ("1", "2", "3", "4"):
            held.enter_context(turns.turn(account_id))
        work = threading.Thread(target=world.run, args=(world.the_operation(),), daemon=True)
        work.start()
        delete()
        work.join(15)
        assert not work.is_alive()
    assert untouched(world)


def test_an_import_that_is_complete_is_deleted_as_any_snapshot(world: World, alice: Principal) -> None:
    delete = cancelled_snapshot(world, alice, put_disk(packed(SYSTEM)))
    world.run(world.the_operation(), At("complete", "after", delete))
    assert [operation.workflow for operation in world.outstanding()] == ["delete_snapshot"]
    world.run_all()
    assert untouched(world)


def test_a_snapshot_of_an_image_that_is_imported_goes_with_its_image_only(
    world: World, alice: Principal
) -> None:
    image = image_imports.create(world.region, alice, FromManifest(ImageSettings(None), put_manifest()))
    with pytest.raises(SnapshotInUse):
        snapshots.delete(world.region, alice, image.snapshot_ids[0])
