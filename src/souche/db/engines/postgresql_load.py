"""Loads rows of another database into PostgreSQL."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psycopg
import sqlalchemy as sa

from souche.errors import SystemFailure

REFUSALS: Final = (psycopg.IntegrityError, psycopg.DataError, psycopg.errors.InsufficientPrivilege)


class RowsRefused(SystemFailure):
    """PostgreSQL does not take the records of the table {table}: {reason}. Nothing was loaded."""


class PostgreSqlLoader:
    """`base.Loader`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.tables: list[str] = []

    def load(self, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """By COPY, several times as fast as INSERT (https://www.postgresql.org/docs/current/populate.html)."""
        self.tables.append(table.name)
        self._connection.exec_driver_sql(f'ALTER TABLE "{table.name}" DISABLE TRIGGER USER')
        names = ", ".join(f'"{each}"' for each in columns)
        statement = f'COPY "{table.name}" ({names}) FROM STDIN'
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with driver.cursor() as cursor, cursor.copy(statement.encode()) as copying:
            for row in rows:
                copying.write_row(row)

    def continue_after(self, column: sa.Column[int], number: int) -> None:
        """By `setval`. A rollback does not undo it, and needs not: unused numbers are harmless."""
        serial = f"pg_get_serial_sequence('{column.table.name}', '{column.name}')"
        self._connection.exec_driver_sql(f"SELECT setval({serial}, {number})")


@contextmanager
def loading(connection: sa.Connection) -> Iterator[PostgreSqlLoader]:
    """Without triggers, but with all constraints.

    Raises:
        RowsRefused: a row breaks a constraint, or has a value that PostgreSQL does not store, or the role does not own
            the table. The message of the server is without the row's values, which may be secrets.
    """
    loader = PostgreSqlLoader(connection)
    try:
        yield loader
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")  # checks those that wait for the commit
        for table in loader.tables:
            connection.exec_driver_sql(f'ALTER TABLE "{table}" ENABLE TRIGGER USER')
            connection.exec_driver_sql(f'ANALYZE "{table}"')
    except (psycopg.Error, sa.exc.DBAPIError) as error:
        refusal = getattr(error, "orig", error)
        if not isinstance(refusal, REFUSALS):
            raise
        table = refusal.diag.table_name or loader.tables[-1]
        raise RowsRefused(table=table, reason=refusal.diag.message_primary) from None


def empty(connection: sa.Connection, tables: Sequence[sa.Table]) -> None:
    """Remove all rows of all tables of the region, in the transaction.

    Raises:
        RowsRefused: a foreign key of another program's table refers to one of them, or the role does not own them.
    """
    names = ", ".join(f'"{each.name}"' for each in tables)
    try:
        connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY")
    except sa.exc.DBAPIError as error:
        if not isinstance(error.orig, (psycopg.NotSupportedError, psycopg.errors.InsufficientPrivilege)):
            raise
        diag = error.orig.diag
        reason = "; ".join(filter(None, (diag.message_primary, diag.message_detail)))
        raise RowsRefused(table=diag.table_name or tables[0].name, reason=reason) from None


def write_note(connection: sa.Connection, text: str) -> None:
    """Write a note about the records, a word, into the database: a comment on the table `region`."""
    quoted = sa.literal(text).compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    connection.exec_driver_sql(f"COMMENT ON TABLE region IS {quoted}")


def note(connection: sa.Connection) -> str | None:
    """The note about the records, if there is one."""
    found = connection.exec_driver_sql(
        "SELECT obj_description(to_regclass('region'), 'pg_class')"
    ).scalar_one()
    return None if found is None else str(found)
