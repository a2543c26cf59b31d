"""Operations are done in the order in which they were requested: whose turn it is, as the database tells."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.app.context.region import Region
from souche.db import operations
from souche.model.operations import Operation, RawParams
from tests.support.region import make_region


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    """Its clock stands still, so all operations are of the same millisecond."""
    region = make_region(tmp_path)
    yield region
    region.store.close()


def add(region: Region, name: str, *locks: str, account: str = "alice", workflow: str = "work") -> None:
    operation = Operation(name, workflow, f"subject-of-{name}", RawParams({"name": name}), account)
    with region.store.begin() as connection:
        operations.insert(connection, operation, locks, region.clock.now())


def erase(region: Region, name: str) -> None:
    with region.store.begin() as connection:
        operations.erase(connection, name)


def turns(region: Region, account: str = "alice") -> list[str]:
    with region.store.reader() as reader:
        return [each.operation.operation_id for each in operations.whose_turn(reader, account, ["work"])]


def test_operations_of_one_moment_have_an_order(region: Region) -> None:
    names = ["c", "a", "b", "d"]
    for name in names:
        add(region, name)
    with region.store.read() as connection:
        assert [each.operation_id for each in operations.outstanding(connection)] == names


def test_an_operation_waits_for_earlier_ones_that_work_on_the_same(region: Region) -> None:
    add(region, "image", "vm", "root")
    add(region, "snapshot", "root")
    add(region, "deletion", "vm")
    add(region, "other", "volume")
    assert turns(region) == ["image", "other"]
    erase(region, "image")
    assert turns(region) == ["snapshot", "deletion", "other"]


def test_it_waits_through_one_that_waits(region: Region) -> None:
    """A link waits for a snapshot of the volume; what comes after for the VM waits for the link."""
    add(region, "snapshot", "volume")
    add(region, "link", "volume", "vm")
    add(region, "start", "vm")
    for name in ("snapshot", "link", "start"):
        assert turns(region) == [name]
        erase(region, name)


def test_the_order_is_over_all_accounts(region: Region) -> None:
    add(region, "hers", "shared", account="alice")
    add(region, "his", "shared", account="bob")
    assert (turns(region, "alice"), turns(region, "bob")) == (["hers"], [])


def test_a_number_is_never_given_again(region: Region) -> None:
    """The last operation is done while an earlier one is outstanding: what comes next is still the later of the two."""
    add(region, "first", "vm")
    add(region, "last", "volume")
    erase(region, "last")
    add(region, "next", "vm")
    assert turns(region) == ["first"]


def test_an_operation_that_is_done_waits_for_nothing(region: Region) -> None:
    add(region, "first", "vm")
    add(region, "second", "vm")
    with region.store.read() as connection:
        answers = [operations.is_next(connection, each) for each in ("first", "second", "gone")]
    assert answers == [True, False, True]


def test_what_works_on_a_resource_is_found_by_it(region: Region) -> None:
    add(region, "image", "vm", "root")
    add(region, "other", "volume")
    with region.store.read() as connection:
        found = {
            each: [one.operation_id for one in operations.working_on(connection, [each])]
            for each in ("vm", "root", "subject-of-image", "volume", "nothing")
        }
    assert found == {
        "vm": ["image"],
        "root": ["image"],
        "subject-of-image": ["image"],
        "volume": ["other"],
        "nothing": [],
    }


def test_the_account_that_has_waited_longest_comes_first_with_all_its_workflows(region: Region) -> None:
    add(region, "first", account="bob")
    add(region, "second", account="alice")
    add(region, "third", account="bob", workflow="other")
    with region.store.reader() as reader:
        found = operations.waiting(reader)
        (turn,) = operations.whose_turn(reader, "bob", ["other", "third"])
    assert list(found.items()) == [("bob", {"work", "other"}), ("alice", {"work"})]
    assert turn.operation == Operation(
        "third", "other", "subject-of-third", RawParams({"name": "third"}), "bob"
    )
