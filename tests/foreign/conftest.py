from collections.abc import Iterator

import pytest

from tests.foreign.go_client import SDK_V2, SDK_V3, GoClient
from tests.foreign.region import Caller, ServedRegion, free_port, served
from tests.wire.signing import ClientForm


@pytest.fixture(scope="package")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRegion]:
    """One region for all tests of this folder; each makes accounts of its own."""
    with served(tmp_path_factory.mktemp("foreign")) as running:
        yield running


@pytest.fixture
def caller(region: ServedRegion, request: pytest.FixtureRequest) -> Caller:
    """An account of the test's own."""
    return region.account(request.node.nodeid)


@pytest.fixture(scope="package")
def exporting_region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRegion]:
    """Another region, with an object store."""
    with served(tmp_path_factory.mktemp("exporting"), f"127.0.0.1:{free_port()}") as running:
        yield running


@pytest.fixture(params=[SDK_V2, SDK_V3], ids=lambda form: form.name)
def terraform(region: ServedRegion, request: pytest.FixtureRequest) -> GoClient:
    """Terraform's provider in its versions on osc-sdk-go v2 and v3, as an account of the test's own."""
    form: ClientForm = request.param
    return GoClient(region.account(request.node.nodeid), form)
