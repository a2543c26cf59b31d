"""What a region has, in numbers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.app import figures, volumes
from souche.app.context.region import Region
from souche.model.accounts import Principal
from souche.model.figures import UnderWay
from souche.states import VmState
from tests.support.region import ManualClock, make_account, make_region
from tests.support.resources import make_vm


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
    return make_account(region)


def test_vms_are_counted_by_state(region: Region, alice: Principal) -> None:
    for state in (VmState.RUNNING, VmState.RUNNING, VmState.STOPPED):
        make_vm(region, alice, state=state)
    make_vm(region, make_account(region, "bob"), state=VmState.RUNNING)
    assert figures.read(region).vms == {"running": 3, "stopped": 1}


def test_work_under_way_has_the_age_of_its_oldest(
    region: Region, alice: Principal, clock: ManualClock
) -> None:
    assert figures.read(region).under_way == []
    for _ in range(2):
        volumes.create(region, alice, volumes.Create(region.subregion_name, size_gib=1))
        clock.advance(seconds=30)
    assert figures.read(region).under_way == [UnderWay("create_volume", 2, 60.0)]
