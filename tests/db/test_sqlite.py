"""What is SQLite's alone: plans of its queries, and its files."""

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from souche.db import image_reports, images, quotas, snapshots
from souche.db import query as engine
from souche.db.engines.sqlite import CONNECTIONS_KEPT, Sqlite, checkpoint
from souche.db.finder import Finder
from souche.db.store import Store
from souche.model.query import Condition, Position, Query, Value
from souche.model.quotas import IMAGES, SNAPSHOT_SIZE, SNAPSHOTS
from tests.db import test_finder, test_query, test_store
from tests.db.test_finder import SCOPES, SELECT
from tests.db.test_query import DAY, FIELDS, LINKED, ORDER, things
from tests.db.test_store import read
from tests.support import databases

on_both = databases.on_sqlite
connection = test_query.connection
store = test_store.store
thing_store = test_finder.store


def test_links_are_walked_in_order(connection: sa.Connection) -> None:
    first = Query((), 1)
    next_one = Query((Condition("name", ["U*"], wildcard=True),), 1, Position(DAY, "t-4"))
    for query in (first, next_one):
        statement = engine.compiled(
            sa.select(things), FIELDS, query, ORDER, LINKED[1:], [None] * len(query.conditions)
        )
        told = plan(connection, statement)
        assert "SEARCH links USING COVERING INDEX ix_links (who=?" in told
        assert "SEARCH things USING INDEX sqlite_autoindex_things_1" in told


def test_scopes_are_merged_row_by_row(store: Store) -> None:
    """A page of images that sorts its scopes, or reads its rows by their keys, takes twice as long."""
    store.migrate()
    details = walk(store, images._FINDER._all, Query((), 20))
    assert details.count("MERGE (UNION ALL)") == 2
    assert not [each for each in details if "TEMP B-TREE" in each]


def test_rows_that_a_condition_excludes_are_read_in_the_index_alone(store: Store) -> None:
    """Otherwise a search among many snapshots that finds few takes 1.4 times as long."""
    store.migrate()
    details = walk(store, snapshots._PAGE_FINDER._own, Query((Condition("volume_size_gib", [11]),), 20))
    assert details[0].startswith("SEARCH snapshots USING COVERING INDEX ix_snapshots_account_walk")
    assert details[-1] == "SEARCH again USING INTEGER PRIMARY KEY (rowid=?)"


def walk(store: Store, finder: Finder, query: Query) -> list[str]:
    """The plan by which a finder walks in its scopes."""
    prepared, values = finder._chosen(query, {"caller": "a-1"}, [None] * len(query.conditions), walking=True)
    with store.read() as connection:
        compiled = prepared.on(connection.engine.dialect)
        arguments = tuple(compiled.arguments(values))
        told = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {compiled.text}", arguments)
        return [row[-1] for row in told.fetchall()]


def test_readers_keep_some_connections_and_close_takes_them_all(tmp_path: Path) -> None:
    database = Sqlite(tmp_path / "region.db")
    with ExitStack() as readers:
        taken = [readers.enter_context(database.bounded_read(None)) for _ in range(CONNECTIONS_KEPT + 2)]
    assert len({id(each) for each in taken}) == CONNECTIONS_KEPT + 2
    with database.bounded_read(None) as again:
        assert again in taken
        database.close()
        assert again.cursor().execute("SELECT 1").fetchall() == [(1,)]  # a read under way is not broken off
    for each in taken:
        if each is not again:
            with pytest.raises(sqlite3.ProgrammingError):  # closed
                each.cursor()
    with database.bounded_read(None) as connection:
        assert connection not in taken


def test_a_reader_that_fails_leaves_no_transaction(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.database.bounded_read(None) as failing:
        raise ZeroDivisionError
    with store.database.bounded_read(None) as following:
        assert following is failing


def test_values_are_looked_up_by_index(connection: sa.Connection) -> None:
    cases = {
        "ix_things_name": Condition("name", ["Ubuntu-22.04"]),
        "ix_parts_part": Condition("part", ["a"]),
        "sqlite_autoindex_things_1": Condition("thing_id", [f"t-{number}" for number in range(500)]),
    }
    for index, condition in cases.items():
        statement = engine.compiled(sa.select(things), FIELDS, Query((condition,), 20), ORDER, (), [True])
        assert index in plan(connection, statement)


@pytest.mark.parametrize(
    ("rare_rows", "field", "values", "index"),
    [
        (100, "name", ["ubuntu"], "ix_things_name"),
        (1, "name", ["ubuntu"], "ix_order"),
        (100, "part", ["b"], "ix_parts_part"),
        (100, "common_part", ["b"], "ix_parts_part"),
        (2, "common_part", ["b"], "ix_order"),
        (0, "thing_id", ["t-1"], "sqlite_autoindex_things_1"),
    ],
)
def test_few_rows_are_looked_up_and_many_are_read_in_order(
    thing_store: Store, rare_rows: int, field: str, values: Sequence[Value], index: str
) -> None:
    finder = Finder(SELECT, FIELDS, ORDER, SCOPES, rare_rows)
    query = Query((Condition(field, values),), 1)
    with thing_store.reader() as reader:
        rare = [finder._is_rare(reader, query.conditions[0], 0)]
    with thing_store.read() as connection:
        told = plan(connection, engine.compiled(SELECT, FIELDS, query, ORDER, SCOPES, rare))
    assert index in told


def plan(connection: sa.Connection, statement: engine.AnySelect) -> str:
    text = statement.compile(connection, compile_kwargs={"literal_binds": True})
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
    return "\n".join(str(row.detail) for row in rows)


def test_what_is_read_again_and_again_grows_with_no_table(tmp_path: Path) -> None:
    """A sweep looks for reports that wait. Each new image or snapshot is counted in its account's quotas, while other
    writers wait: that reads an index alone."""
    store = Store(Sqlite(tmp_path / "region.db"))
    store.migrate()
    asked: list[tuple[str, Any]] = []
    with store.read() as connection:
        sa.event.listen(
            connection, "before_cursor_execute", lambda *given: asked.append((given[2], given[3]))
        )
        image_reports.next_image(connection)
        for quota in (IMAGES, SNAPSHOTS, SNAPSHOT_SIZE):
            quotas.used(connection, "000000000001", quota.name)
        plans = [
            "\n".join(
                step[-1] for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)
            )
            for text, parameters in list(asked)
        ]
    store.close()
    reports, *counts = plans
    assert "USING INDEX ix_image_reports_state" in reports
    assert "USING INDEX sqlite_autoindex_images" in reports
    assert len(counts) == 3
    assert all("USING COVERING INDEX" in each for each in counts), counts


@pytest.mark.parametrize("wait_seconds", [0, 1.0])
def test_after_a_checkpoint_the_file_alone_has_everything(
    store: Store, tmp_path: Path, wait_seconds: float
) -> None:
    checkpoint(tmp_path / "region.db", wait_seconds)
    shutil.copy(tmp_path / "region.db", tmp_path / "copy.db")
    copy = Store(Sqlite(tmp_path / "copy.db"))
    assert read(copy, sa.select(test_store.things.c.thing)) == ["one", "two"]
    copy.close()


def test_a_checkpoint_waits_no_longer_than_it_may(store: Store, tmp_path: Path) -> None:
    with store.begin():
        checkpoint(tmp_path / "region.db", 0.1)


def test_a_commit_waits_for_the_medium(tmp_path: Path) -> None:
    """docs/durability.md"""
    store = Store(Sqlite(tmp_path / "region.db"))
    with store.read() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        ]
    assert found == ["wal", 2]
    store.close()


def test_what_is_rolled_back_leaves_what_is_kept(store: Store) -> None:
    store.cache.put("key", "value", store.cache.mark(), 1)
    with store.begin(dry_run=True) as connection:
        connection.execute(test_store.things.delete())
    assert store.cache.get("key") == "value"
