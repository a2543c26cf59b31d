"""Imports on a medium that is nearly full, and disks that would fill any: they end with the reason, leaving nothing."""

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from souche.app import image_imports
from souche.app.image_imports import FromManifest
from souche.app.images import ImageSettings
from souche.model.accounts import Principal
from souche.model.images import Image
from souche.states import ImageState
from tests.support.bombs import compressed_bomb, shared_bomb
from tests.support.exported import MIB, disk, put_disk, put_manifest, qcow2
from tests.support.inventories import inventory_of
from tests.support.medium import Medium
from tests.support.region import make_account
from tests.support.resources import read_image
from tests.workflows.world import Qcow2Disks, World, assemble

GIB = 1024 * MIB
RESERVE = 16 * MIB
BOOT = bytes(510) + b"\x55\xaa"
"""what a raw disk begins with"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = assemble(tmp_path, Qcow2Disks(tmp_path), seed=1)
    world.region.store.migrate()
    yield world
    world.close()


@pytest.fixture
def alice(world: World) -> Principal:
    return make_account(world.region)


def imported(world: World, who: Principal, data: bytes, *, size_bytes: int = 64 * MIB, **how: Any) -> Image:
    """An image of a disk that has the size it says."""
    location = put_manifest(disk(put_disk(data, **how), Size=size_bytes))
    pending = image_imports.create(world.region, who, FromManifest(ImageSettings(None), location))
    world.run(world.the_operation())
    return read_image(world.region, pending.image_id)


def refused(world: World, image: Image, reason: str) -> bool:
    """Whether it failed for this reason and left nothing, in the store or on the way."""
    assert reason in (image.state_message or "")
    left = [*(world.home / "staging").iterdir(), *(world.home / "disks" / "work").iterdir()]
    return image.state == ImageState.FAILED and not left and not inventory_of(world.disks.store).snapshot_ids


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "one compressed cluster": (lambda: compressed_bomb(4 * GIB), "expands to 4295"),
    "one cluster": (lambda: shared_bomb(4 * GIB), "refer to the same data more than once"),
    "one compressed cluster, gzip": (lambda: gzip.compress(compressed_bomb(4 * GIB)), "expands to 4295"),
    "one cluster, gzip": (
        lambda: gzip.compress(shared_bomb(4 * GIB)),
        "refer to the same data more than once",
    ),
    "a pattern": (lambda: gzip.compress(BOOT + b"A" * (260 * MIB)), "expands to "),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_disk_that_expands_to_gigabytes_is_refused_before_they_are_written(
    world: World, alice: Principal, bomb: str
) -> None:
    make, reason = BOMBS[bomb]
    medium = Medium(world.home, 8 * GIB)
    world.parts.importer.room = medium.room()
    assert refused(world, imported(world, alice, make(), size_bytes=4 * GIB), reason)
    assert medium.most_used_bytes < 300 * MIB


def test_zeros_are_no_expansion(world: World, alice: Principal) -> None:
    """A disk of 320 MiB that is empty comes as 320 KiB of gzip, and takes nothing."""
    image = imported(world, alice, gzip.compress(bytes(320 * MIB), 1), size_bytes=320 * MIB)
    assert image.state == ImageState.AVAILABLE, image.state_message


@pytest.mark.parametrize("announced", [True, False])
def test_an_import_that_does_not_fit_leaves_the_reserve_alone(
    world: World, alice: Principal, *, announced: bool
) -> None:
    """Refused before its first byte where the server says the length; else stopped, and its file removed."""
    medium = Medium(world.home, 60 * MIB)
    world.parts.importer.room = medium.room(RESERVE)
    how: dict[str, Any] = {} if announced else {"announced": None}
    image = imported(world, alice, os.urandom(64 * MIB), name="disk.raw", **how)
    assert refused(world, image, "The region is out of space: ")
    assert medium.most_used_bytes < (8 if announced else 60) * MIB


def test_a_copy_in_the_store_is_asked_for_too(world: World, alice: Principal) -> None:
    """What others wrote is copied: the file fits, its copy does not."""
    medium = Medium(world.home, 120 * MIB)
    world.parts.importer.room = medium.room(RESERVE)
    world.parts.volumes._room = medium.room(RESERVE)  # type: ignore[attr-defined]
    image = imported(world, alice, os.urandom(64 * MIB), name="disk.raw")
    assert refused(world, image, "The region is out of space: this may need 64 MiB")


def test_an_import_that_fits_is_taken_in(world: World, alice: Principal) -> None:
    medium = Medium(world.home, 160 * MIB)
    world.parts.importer.room = medium.room(RESERVE)
    assert imported(world, alice, qcow2(os.urandom(16 * MIB))).state == ImageState.AVAILABLE
