"""All records are copied from any database into any other, value by value."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from souche.db import row_copies, schema
from souche.db.engines.postgresql_load import RowsRefused
from souche.db.engines.sqlite import CopiedSqlite, Sqlite
from souche.db.store import Store
from tests.support import databases as kinds
from tests.support.databases import Databases

on_both = kinds.on_sqlite  # each test uses both

NOTED = datetime(2026, 11, 29, 8, 30, 0, 123_000, UTC)
TEXT = "'\"\\,\t\n\r\\N \\. é 🐑 {} %s :name"
JSON = {"b": [1, 2.5, None, True], "a": {"é": TEXT}, "aa": ""}
VALUES: dict[type, Any] = {
    sa.Boolean: True,
    sa.LargeBinary: bytes(range(256)) * 40,
    sa.JSON: JSON,
    sa.Float: 0.1 + 0.2,
    sa.BigInteger: -(2**63),
    sa.Integer: 2**31 - 1,
    schema.UtcDate: NOTED,
    sa.Text: TEXT * 100,
}


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


def value(column: sa.Column[Any], row: int) -> object:
    """One that is hard to copy. The keys of row 0 fit together; row 1 has NULL where it may be."""
    if column.nullable and row:
        return None
    for kind, given in VALUES.items():
        if type(column.type) is kind and not column.primary_key:
            return given
    if isinstance(column.type, sa.Integer):
        return row
    if isinstance(column.type, schema.UtcDate):
        return NOTED
    length: int = column.type.length  # type: ignore[attr-defined]
    return f"{column.name[: length - 2]}-{row}" if length > 9 else f"{row}"[:length]


def fill(store: Store) -> None:
    """Two rows in each table; the second one has every NULL that it may have. Triggers set the versions."""
    with store.begin() as connection:
        for table in schema.metadata.sorted_tables:
            for row in range(2):
                given = {}
                for column in table.columns:
                    if column.computed is not None:
                        continue
                    key = next(iter(column.foreign_keys)).column if column.foreign_keys else column
                    while key.foreign_keys:
                        key = next(iter(key.foreign_keys)).column
                    is_null = column.nullable and row
                    given[column.name] = None if is_null else value(key, row)
                connection.execute(table.insert().values(given))


def rows(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, as text: JSON with its spaces, dates as the database has them."""
    found = {}
    with store.read() as connection:
        for table in schema.metadata.sorted_tables:
            columns = [row_copies._unchanged(each) for each in table.columns]
            found[table.name] = sorted(map(tuple, connection.execute(sa.select(*columns))), key=repr)
    return found


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
