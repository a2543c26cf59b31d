"""Copies all records from one database into another of the same schema, row by row: every value as it is, also the
versions of rows, which triggers would change. So the rows of both are equal.

Rows are read and written in batches: a region of any size needs little memory.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from souche.db import schema
from souche.db.engines.base import Database
from souche.db.engines.elements import LastNumber
from souche.db.engines.sqlite import CopiedSqlite
from souche.db.store import Store
from souche.errors import Conflict

BATCH: Final = 1000  # rows
BATCH_OF_FILES: Final = 50
"""rows of a table with bytes, which may be a screenshot of a megabyte"""


class RecordsThere(Conflict):
    """The database {database} is not empty: it has rows in the table {table}."""


def to_file(source: sa.Connection, path: Path) -> None:
    """Copy the records into the new SQLite file at `path`."""
    with closing(Store(CopiedSqlite(path))) as store:
        store.migrate()
        copy(source, store.database)


def copy(source: sa.Connection, to: Database) -> None:
    """Copy the records into a database of the newest schema without records, in one transaction.

    Raises:
        RowsRefused: the other database has stricter rules, and a row breaks one.
    """
    with to.begin() as target:
        load(source, target, to)


def load(source: sa.Connection, target: sa.Connection, to: Database) -> None:
    """As `copy`, in a transaction of the database `to`."""
    with to.loading(target) as loader:
        for table in schema.metadata.sorted_tables:
            columns = [each for each in table.columns if each.computed is None]
            loader.load(table, [each.name for each in columns], _rows(source, table, columns))
        for column in _numbered():
            last = source.scalar(sa.select(LastNumber(column)))
            if last is not None:
                loader.continue_after(column, last)


def occupied(connection: sa.Connection) -> str | None:
    """A table that has rows, of the region's tables or of another program's. None: the database is empty, or has only a
    schema of Souche without rows."""
    tables = sorted(sa.inspect(connection).get_table_names())
    if "alembic_version" not in tables:
        return tables[0] if tables else None
    known = [schema.metadata.tables[name] for name in tables if name in schema.metadata.tables]
    return next((each.name for each in known if _has_rows(connection, each)), None)


def _has_rows(connection: sa.Connection, table: sa.Table) -> bool:
    return connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None


def _rows(
    connection: sa.Connection, table: sa.Table, columns: Sequence[sa.Column[Any]]
) -> Iterator[Sequence[object]]:
    has_bytes = any(isinstance(each.type, sa.LargeBinary) for each in columns)
    batch = BATCH_OF_FILES if has_bytes else BATCH
    statement = sa.select(*map(_unchanged, columns))
    yield from connection.execute(statement, execution_options={"yield_per": batch})


def _unchanged(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """The value as the database has it. Parsed and formatted again, JSON would change."""
    if isinstance(column.type, sa.JSON):
        return sa.cast(column, sa.Text).label(column.name)
    if isinstance(column.type, schema.UtcDate):
        return sa.type_coerce(column, sa.String)
    return column


def _numbered() -> Iterator[sa.Column[Any]]:
    for table in schema.metadata.sorted_tables:
        yield from (column for column in table.columns if column.autoincrement is True)
