from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import on_both as on_both
from tests.workflows.world import Original, World, original

ORIGINALS: dict[str, Original] = {}


@pytest.fixture(scope="module")
def origin(on_both: str, tmp_path_factory: pytest.TempPathFactory) -> Original:
    """Made once for each database."""
    if on_both not in ORIGINALS:
        ORIGINALS[on_both] = original(tmp_path_factory.mktemp("original") / "world", "memory")
    return ORIGINALS[on_both]


@pytest.fixture
def world(origin: Original, tmp_path: Path) -> Iterator[World]:
    world = origin.copy(tmp_path / "world")
    yield world
    world.close()
