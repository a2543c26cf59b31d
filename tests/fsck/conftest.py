from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fsck.homes import healthy
from tests.workflows.world import Cast, Original, World


@pytest.fixture(scope="session")
def healthy_home(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return healthy(tmp_path_factory.mktemp("fsck") / "healthy")


@pytest.fixture
def home(healthy_home: Original, tmp_path: Path) -> Iterator[tuple[World, Cast]]:
    """A copy of it, to be damaged."""
    world = healthy_home.copy(tmp_path / "home")
    for file in world.home.glob("*.sqlite*"):
        file.chmod(0o600)
    yield world, healthy_home.cast
    world.close()
