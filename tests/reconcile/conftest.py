from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflows.world import Original, World, original


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return original(tmp_path_factory.mktemp("original") / "world", "memory")


@pytest.fixture
def world(origin: Original, tmp_path: Path) -> Iterator[World]:
    world = origin.copy(tmp_path / "world")
    yield world
    world.close()
