"""Opens the databases of a region, and checks them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from souche.db import examination
from souche.db.engines.sqlite import Sqlite, checkpoint
from souche.db.store import Store
from souche.home import Home
from souche.main import identity, records
from souche.main.records import Place

CHECKPOINT_SECONDS: Final = 1.0
"""how long a checkpoint at a start or an end waits for those who write"""

log = structlog.get_logger()


@contextmanager
def open_store(home: Home) -> Iterator[Store]:
    """The region's records, wherever they are, at the newest schema.

    Raises:
        PlaceDamaged, and those of `open_records`.
    """
    with open_records(home, records.known(home)) as store:
        yield store


@contextmanager
def open_records(home: Home, place: Place | None) -> Iterator[Store]:
    """The region's records, at the newest schema. None: they are in the home's file.

    Raises:
        RecordsMissing, RegionDiffers, DisksMissing, DatabaseDamaged, DatabaseNewer, DatabaseUnwritable; of a server:
        what `PostgreSql.check` and `identity.check_with_server` raise.
    """
    opened = _open_file(home) if place is None else _open_server(home, place)
    with opened as store:
        yield store


@contextmanager
def _open_file(home: Home) -> Iterator[Store]:
    identity.check(home)
    with examination.explained(home.database, examination.REGION_REMEDY):
        home.make_databases()
        store = Store(Sqlite(home.database))
        try:
            store.migrate()
            identity.settle(home, store)
            yield store
        finally:
            store.close()


@contextmanager
def _open_server(home: Home, place: Place) -> Iterator[Store]:
    database = place.open()
    store = Store(database)
    try:
        database.check()
        with store.read() as connection:
            contents = examination.examine_records(connection, database.shown)
        identity.check_with_server(home, contents, database.shown, place.region_id)
        records.keep(home, place)
        home.make_databases(records=False)
        store.migrate()
        identity.settle(home, store, place.region_id)
        yield store
    finally:
        store.close()


def check_databases(home: Home) -> None:
    """Read both databases through, so that damage is found before it is answered with.

    Raises:
        DatabaseDamaged, DatabaseUnwritable.
    """
    examination.check(home.database, examination.REGION_REMEDY)
    examination.check(home.journal, examination.JOURNAL_REMEDY)


def checkpoint_databases(home: Home, wait_seconds: float) -> None:
    """Bring into the databases' files what is in their write-ahead logs only, waiting so long for each. One that cannot
    be written, as on a full medium, stays as it is, and is read with its log as before: nothing depends on it."""
    for database in (home.database, home.journal):
        try:
            if database.exists():
                checkpoint(database, wait_seconds)
        except sqlite3.Error as error:
            log.warning("a write-ahead log stays", database=database.name, reason=str(error))
