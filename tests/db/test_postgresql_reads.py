"""What a read costs on PostgreSQL."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.db import images
from souche.db.engines import postgresql
from souche.db.engines.postgresql import PostgreSql
from souche.db.store import Store
from souche.errors import OutOfTime, RecordsUnavailable
from souche.model.query import Condition, Query
from tests.support.databases import Databases, using

NOBODY = "postgresql://postgres@127.0.0.1:1/none"
CUSTOM_PLANS = 5
"""that PostgreSQL makes before it considers a generic one (https://www.postgresql.org/docs/current/sql-prepare.html)"""


@pytest.fixture(scope="module", autouse=True)
def on_both(databases: Databases) -> Iterator[None]:
    with using(databases):
        yield


@pytest.fixture
def store(databases: Databases, tmp_path: Path) -> Iterator[Store]:
    store = Store(databases.migrated(tmp_path / "region"))
    yield store
    store.close()


def read_pages(store: Store, *conditions: Condition) -> None:
    """Twenty pages, also of sizes that are unusual."""
    for limit in (*range(11, 21), *range(11, 21)):
        with store.reader() as reader:
            images.find(reader, "900000000001", Query(conditions, limit))


def prepared(store: Store) -> dict[str, tuple[int, bool]]:
    """The prepared statements of the only connection that was needed: how often each was planned, and whether its last
    plan is kept."""
    with store.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT statement, custom_plans, generic_plans > 2 FROM pg_prepared_statements"
        )
        return {statement: (planned, kept) for statement, planned, kept in rows}


@pytest.mark.parametrize("conditions", [[], [Condition("image_id", ["ami-00000001"])]])
def test_a_page_is_not_planned_for_each_read(store: Store, conditions: list[Condition]) -> None:
    read_pages(store, *conditions)
    assert list(prepared(store).values()) == [(CUSTOM_PLANS, True)]


def test_a_filter_is_planned_by_its_values(store: Store) -> None:
    """A plan for the average product code scans all images for a rare one, and one for the average device name counts
    an absent one by scanning the table: 18 ms of 100,000 images, instead of 2."""
    read_pages(store, Condition("product_code", ["0009"]))
    read_pages(store, Condition("mapping_device_name", ["/dev/sda1"]))
    assert prepared(store) == {}


def test_the_event_loop_is_told_that_the_server_is_away() -> None:
    database = PostgreSql(NOBODY)
    for _ in range(2):
        with pytest.raises(RecordsUnavailable):
            asyncio.run(database.next_mark())
    database.close()


def test_a_session_that_falls_silent_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """All requests of a process waited for it, as long as it was silent."""
    asyncio.run(store.next_mark())
    assert isinstance(store.database, PostgreSql)
    silent = store.database._watcher_on_loop._connection
    assert silent is not None
    backend = silent.info.backend_pid
    monkeypatch.setattr(postgresql, "MARK_SECONDS", 0.5)
    os.kill(backend, signal.SIGSTOP)
    try:
        with pytest.raises(RecordsUnavailable, match=r"0\.5 seconds"):
            asyncio.run(store.next_mark())
        monkeypatch.undo()
        assert asyncio.run(store.next_mark()) is not None
    finally:
        os.kill(backend, signal.SIGCONT)


def test_the_event_loop_writes_nothing(store: Store) -> None:
    """Its turn may be far off."""

    def write() -> None:
        with store.begin():
            pass

    with pytest.raises(OutOfTime):
        asyncio.run(store.on_event_loop(write))
    write()


def test_marks_of_threads_and_of_the_event_loop_are_the_same(store: Store) -> None:
    asyncio.run(store.next_mark())
    mark = store.change_mark()
    assert asyncio.run(store.next_mark()) == mark == store.change_mark()
    with store.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE facts (fact TEXT)")
    assert asyncio.run(store.next_mark()) == store.change_mark() != mark


def test_no_read_starts_parallel_workers(store: Store) -> None:
    """Their start takes longer than a read, and a plan that counts on them reads whole tables."""
    with store.read() as connection:
        assert connection.exec_driver_sql("SHOW max_parallel_workers_per_gather").scalar() == "0"
