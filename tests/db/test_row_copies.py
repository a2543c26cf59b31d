"""All records are copied from any database into any other, value by value."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.db import row_copies, schema
from souche.db.engines.postgresql import PostgreSql
from souche.db.engines.postgresql_load import RowsRefused
from souche.db.engines.sqlite import CopiedSqlite, Sqlite
from souche.db.store import Store
from tests.support import databases as kinds
from tests.support.all_records import NOTED, fill, rows
from tests.support.databases import Databases

on_both = kinds.on_sqlite  # each test uses both


@pytest.fixture
def stores(databases: Databases, tmp_path: Path) -> Iterator[dict[str, Store]]:
    """Databases with the newest schema and no rows, by their kind."""
    with ExitStack() as stack:
        opened = {"sqlite": Store(kinds.Files().migrated(tmp_path / "file"))}
        opened |= {"postgresql": Store(databases.migrated(tmp_path / "server"))}
        for each in opened.values():
            stack.callback(each.close)
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Store]:
    """A new SQLite file."""
    with closing(Store(CopiedSqlite(tmp_path / "copy.sqlite"))) as store:
        store.migrate()
        yield store


def next_number(store: Store) -> int:
    with store.begin() as connection:
        given = {"operation_id": secrets.token_hex(8), "workflow": "w", "subject_id": "s", "account_id": "a"}
        given |= {"arguments": {}, "creation_date": NOTED}  # type: ignore[dict-item]
        made = connection.execute(schema.operations.insert().values(given))
        number: int = made.inserted_primary_key[0]  # type: ignore[index]
        return number


def copy(source: Store, target: Store) -> None:
    with source.read() as connection:
        row_copies.copy(connection, target.database)


def test_every_row_is_the_same_after_each_copy(stores: dict[str, Store], tmp_path: Path) -> None:
    """From SQLite to PostgreSQL and back into a file."""
    fill(stores["sqlite"])
    before = rows(stores["sqlite"])
    assert {name: len(found) for name, found in before.items()} == dict.fromkeys(schema.metadata.tables, 2)
    copy(stores["sqlite"], stores["postgresql"])
    assert rows(stores["postgresql"]) == before
    with stores["postgresql"].read() as connection:
        row_copies.to_file(connection, tmp_path / "copy.sqlite")
    with closing(Store(Sqlite(tmp_path / "copy.sqlite"))) as copied:
        assert rows(copied) == before
        with copied.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def test_numbers_of_operations_go_on(stores: dict[str, Store], file: Store) -> None:
    """Also after those whose rows are gone."""
    last = [next_number(stores["sqlite"]) for _ in range(5)][-1]
    with stores["sqlite"].begin() as connection:
        connection.execute(schema.operations.delete())
    copy(stores["sqlite"], stores["postgresql"])
    assert next_number(stores["postgresql"]) == last + 1
    copy(stores["postgresql"], file)
    assert next_number(file) == last + 2


def test_numbers_begin_where_there_was_none(databases: Databases, file: Store, tmp_path: Path) -> None:
    with closing(Store(databases.empty(tmp_path / "new"))) as new:
        new.migrate()
        copy(new, file)
        copy(file, new)
        assert (next_number(file), next_number(new)) == (1, 1)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_triggers_work_after_a_copy(kind: str, stores: dict[str, Store], file: Store) -> None:
    fill(stores["sqlite"])
    copied = file
    if kind == "postgresql":
        copied = stores["postgresql"]
    copy(stores["sqlite"], copied)
    versions = sa.select(schema.images.c.image_id, schema.images.c.version)
    with copied.begin() as connection:
        before = dict(connection.execute(versions).all())
        connection.execute(schema.tags.delete())
        connection.execute(schema.images.update().values(name=schema.images.c.image_id))
        after = dict(connection.execute(versions).all())
    assert before.keys() == after.keys()
    assert not set(before.items()) & set(after.items())


def test_an_empty_database_is_known(stores: dict[str, Store], databases: Databases, tmp_path: Path) -> None:
    with closing(Store(databases.empty(tmp_path / "empty"))) as empty, empty.begin() as connection:
        assert row_copies.occupied(connection) is None
        connection.exec_driver_sql("CREATE TABLE others (name TEXT)")
        assert row_copies.occupied(connection) == "others"
    for store in stores.values():
        with store.begin() as connection:
            assert row_copies.occupied(connection) is None
            connection.execute(schema.workers.insert().values(worker="w", node="n", heartbeat_date=NOTED))
            assert row_copies.occupied(connection) == "workers"


@pytest.mark.parametrize(
    ("table", "damage"),
    [
        ("keypairs", "UPDATE keypairs SET name = 'secret' || hex(randomblob(200))"),
        ("images", "UPDATE images SET name = 'secret' || char(0) WHERE image_id LIKE '%0'"),
        ("image_mappings", "UPDATE image_mappings SET snapshot_id = 'missing'"),
    ],
)
def test_a_row_that_postgresql_does_not_take_is_told_without_its_values(
    table: str, damage: str, stores: dict[str, Store], file: Store
) -> None:
    """`file` takes everything. The last one is a constraint that waits for the commit."""
    fill(file)
    with file.begin() as connection:
        connection.exec_driver_sql(damage)
    with pytest.raises(RowsRefused, match=table) as refused:
        copy(file, stores["postgresql"])
    assert "secret" not in str(refused.value)
    with stores["postgresql"].read() as connection:
        assert row_copies.occupied(connection) is None


def test_only_the_owner_of_the_tables_loads_rows(databases: Databases, file: Store, tmp_path: Path) -> None:
    """Triggers are the owner's to disable."""
    with closing(Store(databases.migrated(tmp_path / "server"))) as there:
        url = there.engine.url.set(drivername="postgresql", username="writer")
        databases.server.execute(
            "CREATE ROLE writer LOGIN",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO writer",
            database=str(there.engine.url.database),
        )
        try:
            database = PostgreSql(url.render_as_string(hide_password=False))
            with closing(Store(database)) as store, pytest.raises(RowsRefused, match="must be owner"):
                copy(file, store)
        finally:
            databases.server.execute(
                "DROP OWNED BY writer", "DROP ROLE writer", database=str(there.engine.url.database)
            )


def test_a_copy_is_of_one_instant(stores: dict[str, Store], file: Store) -> None:
    """Also if it pauses for longer than other transactions may do nothing."""
    source = stores["postgresql"]
    with source.read() as connection:
        source.database.allow_pauses(connection)
        assert connection.execute(sa.select(schema.workers)).all() == []
        limit = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
        with source.begin() as writing:
            writing.execute(schema.workers.insert().values(worker="w", node="n", heartbeat_date=NOTED))
        row_copies.copy(connection, file.database)
    assert limit == "0"
    assert rows(file)["workers"] == []
    assert rows(source)["workers"] != []
