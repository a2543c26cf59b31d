from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflows.durable.runs import Log
from tests.workflows.world import MemoryDisks, World, assemble


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    yield log
    log.hold.set()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = assemble(tmp_path, MemoryDisks(), seed=1)
    world.region.store.migrate()
    yield world
    world.close()
