"""Imports of snapshots and images, for tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.app import image_imports, snapshot_imports
from souche.app.image_imports import FromManifest
from souche.app.images import ImageSettings
from souche.app.snapshot_imports import FromUrl
from souche.model.accounts import Principal
from souche.model.images import Image
from souche.model.snapshots import Snapshot
from souche.states import ImageState, SnapshotState
from tests.support.exported import MIB
from tests.support.region import make_account
from tests.support.resources import read_image, read_snapshot
from tests.workflows.world import MemoryDisks, Seen, World, assemble


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = assemble(tmp_path, MemoryDisks(), seed=1)
    world.region.store.migrate()
    yield world
    world.close()


@pytest.fixture
def alice(world: World) -> Principal:
    return make_account(world.region)


def import_image(world: World, who: Principal, location: str, **settings: str) -> Image:
    pending = image_imports.create(
        world.region, who, FromManifest(ImageSettings(settings.get("name")), location)
    )
    assert pending.state == ImageState.PENDING
    world.run(world.the_operation())
    return read_image(world.region, pending.image_id)


def import_snapshot(world: World, who: Principal, location: str, size_bytes: int = 4 * MIB) -> Snapshot:
    pending = snapshot_imports.create(world.region, who, FromUrl(location, size_bytes))
    assert pending.state == SnapshotState.IN_QUEUE
    world.run(world.the_operation())
    return read_snapshot(world.region, pending.snapshot_id)


def nothing_left(world: World) -> bool:
    seen: Seen = world.see()
    sources = [key for key in seen.rows if key.startswith(("disk_imports", "image_mappings"))]
    return (seen.snapshots, seen.staged, seen.outstanding, sources) == ({}, [], [], [])
