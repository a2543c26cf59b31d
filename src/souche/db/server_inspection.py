"""As `inspection.py`, for a region's records in PostgreSQL: what a role without special rights can see of damage."""

from collections.abc import Iterator, Mapping
from typing import Final

import sqlalchemy as sa

from souche.db import schema

# Each finds nothing in a sound database.
_FAULTS: Final[Mapping[str, str]] = {
    "the server found {} pages whose checksums are wrong": """
        SELECT checksum_failures FROM pg_stat_database
        WHERE datname = current_database() AND checksum_failures > 0
    """,
    "the index {} is not valid": """
        SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace ORDER BY relname
    """,
    "the constraint {} is not valid": """
        SELECT conname FROM pg_constraint
        WHERE NOT convalidated AND connamespace = current_schema()::regnamespace ORDER BY conname
    """,
    "triggers of the table {} are disabled": """
        SELECT DISTINCT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE tgenabled <> 'O' AND relnamespace = current_schema()::regnamespace ORDER BY relname
    """,
}


def damages(connection: sa.Connection) -> Iterator[str]:
    """What is damaged, a sentence each; empty if all is well. Reads every row.

    Raises:
        DatabaseFailed: a row cannot be read.
    """
    for text, statement in _FAULTS.items():
        for found in connection.exec_driver_sql(statement).scalars():
            yield text.format(found)
    for name in sorted(sa.inspect(connection).get_table_names()):
        # The text of a row has all of its values, also those that are stored apart from it.
        connection.exec_driver_sql(f'SELECT sum(length(rows::text)) FROM "{name}" AS rows').scalar()  # noqa: S608


def broken_references(connection: sa.Connection) -> Iterator[tuple[str, str]]:
    """Rows that reference a missing row: the key of the row, and the table of the missing one."""
    for table in schema.metadata.sorted_tables:
        key = table.columns[0]
        for column in table.columns:
            for reference in column.foreign_keys:
                there = reference.column.table.alias()
                is_there = sa.exists().where(there.c[reference.column.name] == column)
                broken = sa.select(key).where(column.is_not(None), ~is_there).order_by(key)
                for found in connection.execute(broken).scalars():
                    yield (
                        str(found),
                        f"{table.name} refers to a missing row of {reference.column.table.name}",
                    )
