"""Rows in every table, with values that are hard to copy."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from souche.db import row_copies, schema
from souche.db.store import Store

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


def fill(store: Store, but: sa.Table | None = None) -> None:
    """Add two rows to each table, `but` one. The second one has every NULL that it may have. Triggers set the
    versions."""
    with store.begin() as connection:
        for table in (each for each in schema.metadata.sorted_tables if each is not but):
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
