from collections.abc import Iterator

import pytest

from tests.foreign.region import Caller, ServedRegion, served


@pytest.fixture(scope="package")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRegion]:
    """One region for all tests of this folder; each makes accounts of its own."""
    with served(tmp_path_factory.mktemp("foreign")) as running:
        yield running


@pytest.fixture(scope="package")
def exporting_region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRegion]:
    """One with buckets, for exports and what imports them again."""
    with served(tmp_path_factory.mktemp("exporting"), buckets=True) as running:
        yield running


@pytest.fixture
def caller(region: ServedRegion, request: pytest.FixtureRequest) -> Caller:
    """An account of the test's own."""
    return region.account(request.node.nodeid)
