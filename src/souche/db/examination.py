"""Examines a database's file before anything relies on it: a new schema must never be written over missing records."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from souche.db import revisions
from souche.db.engines.sqlite import BUSY_TIMEOUT_MS
from souche.errors import SystemFailure

DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
UNWRITABLE: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
PRIMARY: Final = 0xFF
"""mask of the primary part of an extended error code (https://www.sqlite.org/rescode.html)"""


class DatabaseDamaged(SystemFailure):
    """{file} is damaged ({reason}): {remedy}"""


class DatabaseNewer(SystemFailure):
    """{file} was made by a newer Souche (its schema is {revision}): install that version, or one after it."""


class DatabaseUnwritable(SystemFailure):
    """{file} cannot be written ({reason}): make the folder and its files writable for the user that runs Souche."""


@dataclass(frozen=True)
class Contents:
    """`revision` is the schema's (None: there is none), `region_id` the id of the records' region (None: not recorded
    yet), `has_secrets` whether there are secrets that only the vault's key decrypts."""

    revision: str | None = None
    region_id: str | None = None
    has_secrets: bool = False


def examine(database: Path) -> Contents:
    """Examine the region's database. A missing or empty file is not opened: SQLite would remove the write-ahead log
    beside it, which may contain the only copy of the records.

    Raises:
        DatabaseDamaged, DatabaseUnwritable, DatabaseNewer.
    """
    if not database.exists() or database.stat().st_size == 0:
        return Contents()
    with explained(database, REGION_REMEDY), closing(_connect(database)) as connection:
        revision = _scalar(connection, "alembic_version", "version_num")
        region_id = _scalar(connection, "region", "region_id")
        has_secrets = _scalar(connection, "access_keys", "access_key_id") is not None
    if revision is not None and revision not in revisions.known():
        raise DatabaseNewer(file=database, revision=revision)
    return Contents(revision, region_id, has_secrets)


def examine_records(connection: sa.Connection, place: str) -> Contents:
    """The contents of any database; `place` names it.

    Raises:
        DatabaseNewer.
    """
    tables = set(sa.inspect(connection).get_table_names())
    if "alembic_version" not in tables:
        return Contents()
    revision = str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())
    if revision not in revisions.known():
        raise DatabaseNewer(file=place, revision=revision)
    region_id = (
        connection.exec_driver_sql("SELECT region_id FROM region").scalar() if "region" in tables else None
    )
    has_secrets = connection.exec_driver_sql("SELECT 1 FROM access_keys").scalar() is not None
    return Contents(revision, region_id, has_secrets)


def check(database: Path, remedy: str) -> None:
    """Read the whole file and report damage. A missing or empty file is not damaged.

    Raises:
        DatabaseDamaged, DatabaseUnwritable.
    """
    if not database.exists() or database.stat().st_size == 0:
        return
    with explained(database, remedy), closing(_connect(database)) as connection:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise DatabaseDamaged(file=database, reason=found.replace("\n", " "), remedy=remedy)


REGION_REMEDY: Final = (
    "put it back from a backup, with disks/ of the same moment or a later one; nothing was changed."
)
JOURNAL_REMEDY: Final = (
    "move it away, with the files beside it that begin with its name; what was under way begins again."
)


@contextmanager
def explained(database: Path, remedy: str) -> Iterator[None]:
    """Turns SQLite's errors about a damaged or unwritable file into errors with a remedy.

    Raises:
        DatabaseDamaged, DatabaseUnwritable.
    """
    try:
        yield
    except (sqlite3.Error, sa.exc.DBAPIError) as error:
        said = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        number = getattr(said, "sqlite_errorcode", 0) & PRIMARY
        if number in DAMAGED:
            raise DatabaseDamaged(file=database, reason=said, remedy=remedy) from error
        if number in UNWRITABLE:
            raise DatabaseUnwritable(file=database, reason=said) from error
        raise


def _connect(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(database, timeout=BUSY_TIMEOUT_MS / 1000)


def _scalar(connection: sqlite3.Connection, table: str, column: str) -> str | None:
    """The first value of a column; None if there is no such table, or no row."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
    if known.fetchone() is None:
        return None
    row = connection.execute(f"SELECT {column} FROM {table}").fetchone()  # noqa: S608 (of constants)
    return None if row is None else str(row[0])
