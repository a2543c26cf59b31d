from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from tests.workflows.world import Cast, Original, World, original


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What fails on purpose is not worth its traceback, which takes a second to draw."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield
    structlog.reset_defaults()


@pytest.fixture
def logged(quiet: None) -> Iterator[list[MutableMapping[str, Any]]]:
    """The lines of the log, of every level."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("debug"))
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[World, Cast]]:
    """A world of its own, with disks in memory, and who is in it."""
    made = original(tmp_path / "original", "memory")
    world = made.copy(tmp_path / "world")
    yield world, made.cast
    world.close()


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """What `world` is copied from, with disks in memory."""
    return original(tmp_path_factory.mktemp("original") / "world", "memory")


@pytest.fixture
def world(origin: Original, tmp_path: Path) -> Iterator[World]:
    """A world of its own, made once for each module and copied for each test."""
    world = origin.copy(tmp_path / "world")
    yield world
    world.close()


@pytest.fixture
def cast(origin: Original) -> Cast:
    """Who is in `world`."""
    return origin.cast
