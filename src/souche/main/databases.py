"""Opens the databases of a region, and checks them."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Final

import structlog

from souche.cli.composition import RecordsPlace
from souche.config import BadSetting
from souche.db import examination
from souche.db.engines.sqlite import Sqlite, checkpoint
from souche.db.store import Store
from souche.errors import SystemFailure
from souche.home import Home
from souche.main import identity, records
from souche.main.database_url import database_url
from souche.main.records import Place

CHECKPOINT_SECONDS: Final = 1.0
"""how long a checkpoint at a start or an end waits for writers"""

log = structlog.get_logger()


class FileUnusable(SystemFailure):
    """The region's records are in the database whose URL is in {file}. {reason}"""


@contextmanager
def open_store(home: Home) -> Iterator[Store]:
    """The region's records, in any database, at the newest schema.

    Raises:
        PlaceDamaged, and those of `open_records`.
    """
    with open_records(home, records.known(home)) as store:
        yield store


@contextmanager
def open_records(home: Home, place: Place | None, taken: Callable[[], None] | None = None) -> Iterator[Store]:
    """The region's records, at the newest schema. `place` None: they are in the home's file. With `taken`, this process
    is their server (`Database.served`), from before anything is read or written.

    Raises:
        RecordsMissing, RegionDiffers, DisksMissing, DatabaseDamaged, DatabaseNewer, DatabaseUnwritable; of a server:
        RecordsInUse, and what `PostgreSql.check` and `identity.check_with_server` raise.
    """
    opened = _open_file(home) if place is None else _open_server(home, place, taken)
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
def _open_server(home: Home, place: Place, taken: Callable[[], None] | None) -> Iterator[Store]:
    database = place.open()
    with ExitStack() as stack:
        store = Store(database)
        stack.callback(store.close)
        database.check()
        if taken is not None:
            stack.enter_context(database.served(taken))
        with store.read() as connection:
            contents = examination.examine_records(connection, database.shown)
        identity.check_with_server(home, contents, database.shown, place.region_id)
        records.keep(home, place)
        home.make_databases(records=False)
        # A command must not change the schema under a server, which may be one of another release.
        is_safe = taken is not None or store.is_newest()
        with nullcontext() if is_safe else database.served(_nobody_minds):
            store.migrate()
        identity.settle(home, store, place.region_id)
        yield store


def look_at(path: Path | None, named: RecordsPlace) -> str | None:
    """The PostgreSQL database that is named, or else the one with the records of the region in a home folder: its URL
    and version, after the checks of a start. None: there is none.

    Raises:
        BadSetting: the named one cannot be used. FileUnusable: the file that the home names cannot.
        PlaceDamaged, and what `PostgreSql.check` raises.
    """
    if database_url(named.url, named.file) is not None:
        return _described(Place(named.url, named.file, ""))
    place = records.known(Home(path.resolve())) if path else None
    if place is None:
        return None
    try:
        return _described(place)
    except BadSetting as error:
        raise FileUnusable(file=place.file, reason=str(error)) from error


def _described(place: Place) -> str:
    with closing(place.open()) as database:
        database.check()
        return f"{database.shown}: PostgreSQL {database.version()}"


def _nobody_minds() -> None:
    """The lock is for moments."""


def check_databases(home: Home) -> None:
    """Read both databases completely, so that damage is found before any answer depends on it.

    Raises:
        DatabaseDamaged, DatabaseUnwritable.
    """
    examination.check(home.database, examination.REGION_REMEDY)
    examination.check(home.journal, examination.JOURNAL_REMEDY)


def checkpoint_databases(home: Home, wait_seconds: float) -> None:
    """Checkpoint the write-ahead logs of both databases, waiting up to `wait_seconds` for each. A database that cannot
    be written, as on a full medium, stays as it is, and is read with its log as before: nothing depends on it."""
    for database in (home.database, home.journal):
        try:
            if database.exists():
                checkpoint(database, wait_seconds)
        except sqlite3.Error as error:
            log.warning("a write-ahead log stays", database=database.name, reason=str(error))
