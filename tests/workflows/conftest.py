from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.workflows.world import Cast, World, original


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What fails on purpose is not worth its traceback, which takes a second to draw."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield
    structlog.reset_defaults()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[World, Cast]]:
    """A world of its own, with disks in memory, and who is in it."""
    made = original(tmp_path / "original", "memory")
    world = made.copy(tmp_path / "world")
    yield world, made.cast
    world.close()
