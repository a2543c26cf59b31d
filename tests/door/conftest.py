"""One region with its object store for all the tests here."""

from collections.abc import Iterator

import pytest

from tests.door.served import Served, served


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("door")) as region:
        yield region


@pytest.fixture
def bucket(door: Served, request: pytest.FixtureRequest) -> str:
    """A bucket of alice's for each test."""
    name = "b-" + "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[-50:].strip("-")
    door.client("alice").create_bucket(Bucket=name)
    return name
