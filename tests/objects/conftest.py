"""One SeaweedFS for all the tests here that only use it."""

from collections.abc import Iterator

import pytest

from souche.objects.seaweedfs.server import SeaweedFs
from tests.objects.server import seaweedfs


@pytest.fixture(scope="session")
def oos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFs]:
    with seaweedfs(tmp_path_factory.mktemp("oos")) as server:
        yield server


@pytest.fixture
def bucket_name(request: pytest.FixtureRequest) -> str:
    """One for each test."""
    return "b-" + "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[-50:].strip("-")
