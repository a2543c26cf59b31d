"""One SeaweedFS for all the tests here."""

from collections.abc import Iterator

import pytest

from souche.objects.seaweedfs.server import SeaweedFs
from tests.objects.server import seaweedfs


@pytest.fixture(scope="package")
def oos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFs]:
    with seaweedfs(tmp_path_factory.mktemp("oos"), accounts=()) as server:
        yield server
