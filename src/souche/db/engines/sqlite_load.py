"""Loads rows of another database into a SQLite file."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

_TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"


class SqliteLoader:
    """`base.Loader`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def load(self, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """By executemany, which takes rows one by one."""
        names = ", ".join(f'"{each}"' for each in columns)
        values = ", ".join("?" for _ in columns)
        statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({values})'  # noqa: S608 (names of the schema)
        driver: sqlite3.Connection = self._connection.connection.driver_connection  # type: ignore[assignment]  # Any
        driver.executemany(statement, rows)

    def continue_after(self, column: sa.Column[int], number: int) -> None:
        """In `sqlite_sequence` (https://www.sqlite.org/autoinc.html)."""
        name = column.table.name
        self._connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        self._connection.exec_driver_sql(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, number)
        )


@contextmanager
def loading(connection: sa.Connection) -> Iterator[SqliteLoader]:
    """SQLite cannot disable triggers: they are dropped, and created again at the end."""
    triggers = connection.exec_driver_sql(_TRIGGERS).all()
    for name, _sql in triggers:
        connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
    yield SqliteLoader(connection)
    for _name, sql in triggers:
        connection.exec_driver_sql(sql)
