"""What accounts take of the region."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from souche.app import usage
from souche.app.context.region import Region
from souche.db.usage import owners
from souche.model.accounts import Principal
from souche.model.usage import Counts
from souche.refusals import NoSuchAccount
from souche.states import VmState
from souche.storage.base import StoreFigures
from tests.support import resources
from tests.support.region import make_account, make_region

EMPTY = StoreFigures({}, {}, 0, frozenset())


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    region = make_region(tmp_path)
    yield region
    region.store.close()


@pytest.fixture
def alice(region: Region) -> Principal:
    return make_account(region)


@pytest.fixture
def bob(region: Region) -> Principal:
    return make_account(region, "bob")


def test_an_account_is_shown_with_what_it_has(region: Region, alice: Principal, bob: Principal) -> None:
    resources.make_vm(region, alice, state=VmState.RUNNING)
    resources.make_vm(region, alice, state=VmState.TERMINATED)
    resources.make_volume(region, alice)
    resources.make_snapshot(region, bob)
    found = {each.account: each.counts for each in usage.every(region, EMPTY)}
    assert (found["alice"].vms, found["alice"].volumes, found["alice"].snapshots) == (
        1,
        3,
        0,
    )  # each VM has one
    assert found["alice"].volume_gib > 0
    assert found["bob"].snapshots == 1
    (only,) = usage.every(region, EMPTY, bob.account_id)
    assert (only.account, only.counts) == ("bob", found["bob"])
    with pytest.raises(NoSuchAccount):
        usage.every(region, EMPTY, "nobody")


def test_an_account_without_anything_is_there(region: Region, alice: Principal) -> None:
    (found,) = usage.every(region, EMPTY, "alice")
    assert (found.counts, found.own_bytes, found.shared_bytes) == (Counts(), 0, 0)


def test_bytes_are_shared_with_other_accounts_and_with_the_trash(
    region: Region, alice: Principal, bob: Principal
) -> None:
    first = resources.make_volume(region, alice).volume_id
    second = resources.make_volume(region, alice).volume_id
    third = resources.make_volume(region, bob).volume_id
    shares = {
        frozenset({first}): 1,
        frozenset({first, second}): 10,
        frozenset({first, third}): 100,
        frozenset({second, "vol-in-trash"}): 1000,
        frozenset({"vol-in-trash"}): 10_000,
        frozenset[str](): 100_000,
    }
    stock = StoreFigures(shares, {}, 6, frozenset({"vol-in-trash"}))
    found = {each.account: (each.own_bytes, each.shared_bytes) for each in usage.every(region, stock)}
    assert found["alice"] == (11, 1100)
    assert found["bob"] == (0, 100)


def test_owners_are_read_some_at_a_time(region: Region, alice: Principal) -> None:
    """Two million rows at once would hold up every request of the server that runs the command."""
    snapshot = resources.make_snapshot(region, alice)
    disk_ids = [*(f"snap-{number:08x}" for number in range(2500)), snapshot.snapshot_id]
    sizes: list[int] = []

    def note(_connection: object, _cursor: object, _text: str, parameters: Any, *_: object) -> None:
        sizes.append(len(parameters))

    with region.store.read() as connection:
        sa.event.listen(connection, "before_cursor_execute", note)
        found = owners(connection, disk_ids)
    assert found == {snapshot.snapshot_id: alice.account_id}
    assert max(sizes) == 1000
