"""Reads a region's database for `souche fsck`: nothing is written, made or migrated."""

from collections.abc import Iterator

import sqlalchemy as sa


def damages(connection: sa.Connection) -> Iterator[str]:
    """The lines of `PRAGMA integrity_check`; empty if all is well."""
    for (said,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if said != "ok":
            yield str(said)


def broken_references(connection: sa.Connection) -> Iterator[tuple[str, str]]:
    """Rows that reference a missing row: the key of the row, and the table of the missing one."""
    for table, rowid, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        key = sa.inspect(connection).get_columns(table)[0]["name"]
        row = connection.exec_driver_sql(f'SELECT "{key}" FROM "{table}" WHERE rowid = ?', (rowid,)).first()  # noqa: S608
        yield (str(row[0]) if row else ""), f"{table} refers to a missing row of {parent}"


def revision(connection: sa.Connection) -> str | None:
    """The revision of the schema; None for a database without one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return str(found[0]) if found else None
