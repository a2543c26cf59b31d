from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.app.context.region import Region
from souche.model.accounts import Principal
from tests.support.client import Client
from tests.support.databases import on_both as on_both
from tests.support.region import ManualClock, make_account, make_region


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def region(tmp_path: Path, clock: ManualClock) -> Iterator[Region]:
    region = make_region(tmp_path, clock=clock)
    yield region
    region.store.close()


@pytest.fixture
def alice(region: Region) -> Principal:
    return make_account(region, "alice")


@pytest.fixture
def bob(region: Region) -> Principal:
    return make_account(region, "bob")


@pytest.fixture
def client(region: Region, alice: Principal) -> Client:
    return Client(region, alice)


@pytest.fixture
def other(region: Region, bob: Principal) -> Client:
    """Another account's."""
    return Client(region, bob)
