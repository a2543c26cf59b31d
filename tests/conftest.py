"""What tests of several folders share."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from souche import recipes
from souche.recipes import debian_12

CACHE = Path(__file__).parent.parent / ".cache" / "official"


def pytest_configure() -> None:
    """QEMU's own user and others pass through the folders that tests make, whatever the caller's umask."""
    os.umask(0o022)


def _quiet(_what: str, _done: float) -> None:
    """The progress of a build that nobody watches."""


@pytest.fixture(autouse=True, scope="session")
def no_object_store() -> Iterator[None]:
    """A region that a test serves runs no object store, unless the test asks for one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOUCHE_OOS_LISTEN", "")
        yield


def _built(name: str, **options: Any) -> Path:
    """The disk (qcow2) that the recipe builds as it is now; kept in .cache/ for the next run."""
    recipe = hashlib.sha256()
    for source in sorted(Path(recipes.__file__).parent.glob("*.py")):
        recipe.update(source.read_bytes())
    disk = CACHE / f"{name}-{recipe.hexdigest()[:16]}.qcow2"
    if not disk.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        debian_12.build(disk, work_dir=CACHE / "work", progress=_quiet, **options)
    return disk


@pytest.fixture(scope="session")
def debian_12_image() -> Path:
    """The official Debian 12 disk."""
    return _built("debian-12")


@pytest.fixture(scope="session")
def debian_12_i386_image() -> Path:
    """A Debian 12 disk of i386. Without security updates: their mirror was seen half in sync for this architecture."""
    return _built("debian-12-i386", architecture="i386", security=False)
