"""Of the processes that do operations, one has each: it claims it, and keeps it while it lives."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.app.context.region import Region
from souche.db import claims, operations
from souche.db.engines.elements import DatabaseClock
from souche.db.operations import LEASE_SECONDS
from souche.db.schema import UtcDate, workers
from souche.model.operations import Operation, RawParams
from souche.model.workers import Worker
from tests.support.region import make_region

ONE, TWO = Worker("one", "host-1"), Worker("two", "host-2")


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    region = make_region(tmp_path)
    yield region
    region.store.close()


def add(region: Region, name: str, *locks: str, worker: Worker | None = None) -> None:
    operation = Operation(name, "work", name, RawParams({}), "alice")
    with region.store.begin() as connection:
        operations.insert_all(connection, [(operation, locks)], region.clock.now(), worker)


def beat(region: Region, worker: Worker, seconds: int = 0) -> None:
    """A heartbeat at this many seconds from now."""
    with region.store.begin() as connection:
        claims.beat(connection, worker)
        mine = workers.update().where(workers.c.worker == worker.worker_id)
        connection.execute(mine.values(heartbeat_date=DatabaseClock(seconds)))


def take(region: Region, worker: Worker, *names: str) -> set[str]:
    with region.store.begin() as connection:
        return claims.take(connection, worker, names)


def turns(region: Region, worker: Worker) -> list[str]:
    with region.store.reader() as reader:
        found = operations.whose_turn(reader, "alice", ["work"], worker.worker_id)
        return [each.operation.operation_id for each in found]


def is_own(region: Region, worker: Worker, name: str) -> bool:
    with region.store.reader() as reader:
        return claims.is_own(reader, worker.worker_id, name)


def test_one_of_two_workers_gets_an_operation(region: Region) -> None:
    beat(region, ONE)
    beat(region, TWO)
    add(region, "a")
    assert turns(region, ONE) == turns(region, TWO) == ["a"]
    assert take(region, ONE, "a") == {"a"}
    assert take(region, TWO, "a") == set()
    assert (turns(region, ONE), turns(region, TWO)) == (["a"], [])
    assert (is_own(region, ONE, "a"), is_own(region, TWO, "a")) == (True, False)


def test_what_a_worker_requests_itself_is_its_own_at_once(region: Region) -> None:
    beat(region, ONE)
    add(region, "a", worker=ONE)
    assert turns(region, TWO) == []
    with region.store.read() as connection:
        row = connection.execute(sa.text("SELECT worker, node, claim_date FROM operations")).one()
    assert row[:2] == ("one", "host-1")
    assert abs(datetime.fromisoformat(row[2]) - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(("late", "taken"), [(LEASE_SECONDS - 5, False), (LEASE_SECONDS + 1, True)])
def test_a_claim_is_taken_over_when_its_worker_was_silent_for_a_lease(
    region: Region, late: int, *, taken: bool
) -> None:
    beat(region, ONE, -late)
    add(region, "a", worker=ONE)
    assert take(region, TWO, "a") == ({"a"} if taken else set())
    assert is_own(region, TWO, "a") is taken


def test_a_dead_worker_keeps_no_claim_when_the_databases_clock_was_set_back(region: Region) -> None:
    """Its heartbeat is in the future. Before, its operations waited as long as the clock was set back."""
    beat(region, ONE, 3600)
    add(region, "a", worker=ONE)
    assert turns(region, TWO) == ["a"]
    assert take(region, TWO, "a") == {"a"}


def test_a_worker_that_never_says_that_it_lives_holds_nothing(region: Region) -> None:
    """A home lets only one process work, by its lock, so no process needs an announcement."""
    add(region, "a", worker=ONE)
    assert take(region, TWO, "a") == {"a"}


def test_order_is_kept_between_workers(region: Region) -> None:
    """What comes later waits for the other worker's, and for one that died."""
    beat(region, ONE)
    add(region, "a", "vm", worker=ONE)
    add(region, "b", "vm", worker=TWO)
    assert turns(region, TWO) == []
    beat(region, ONE, -LEASE_SECONDS - 1)
    assert turns(region, TWO) == ["a"]
    take(region, TWO, "a")
    with region.store.begin() as connection:
        assert operations.erase(connection, "a", TWO.worker_id)
    assert turns(region, TWO) == ["b"]


def test_a_worker_that_lost_its_claim_does_not_erase_the_operation(region: Region) -> None:
    add(region, "a", worker=TWO)
    with region.store.begin() as connection:
        assert not operations.erase(connection, "a", ONE.worker_id)
        assert operations.erase(connection, "a", TWO.worker_id)


def test_a_process_that_starts_again_goes_on_with_its_own(region: Region) -> None:
    """At once, because no other process has the journal of its earlier start; also work that an earlier release
    began."""
    beat(region, ONE)
    again = Worker("one again", "host-1")
    add(region, "own", worker=ONE)
    add(region, "others", worker=TWO)
    add(region, "begun by a former release")
    add(region, "new")
    with region.store.begin() as connection:
        adopted = claims.adopt(connection, again, [ONE.worker_id], ["begun by a former release", "forgotten"])
        assert claims.of_worker(connection, again.worker_id) == adopted
    assert adopted == {"own", "begun by a former release"}
    assert not is_own(region, ONE, "own")


def test_workers_that_died_and_have_nothing_left_are_forgotten(region: Region) -> None:
    for worker in (ONE, TWO):
        beat(region, worker, -LEASE_SECONDS - 1)
    add(region, "a", worker=TWO)
    beat(region, Worker("three", "host-3"))
    with region.store.read() as connection:
        assert set(connection.scalars(sa.select(workers.c.worker))) == {"two", "three"}


def test_the_clock_of_the_database_tells_dates_as_records_have_them(region: Region) -> None:
    with region.store.begin() as connection:
        now, then = (
            connection.execute(sa.select(sa.type_coerce(DatabaseClock(seconds), UtcDate))).scalar_one()
            for seconds in (0, -90)
        )
        text = connection.execute(sa.select(DatabaseClock())).scalar_one()
    assert now - then == pytest.approx(timedelta(seconds=90), abs=timedelta(seconds=1))
    assert isinstance(now, datetime)
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)
    assert len(text) == len("2026-11-24T10:00:00.000Z")
