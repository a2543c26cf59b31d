"""The records of a region, for its named states. In a state they are a SQLite file, from either kind of database: so it
can be loaded into either."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from souche.db import examination, region, row_copies, schema
from souche.db.engines import postgresql_load
from souche.db.engines.postgresql import PostgreSql
from souche.db.engines.sqlite import Sqlite
from souche.db.store import Store
from souche.home import PRIVATE, Home
from souche.main import records, state_files
from souche.main.identity import DatabaseEmpty, DatabaseTaken
from souche.main.records import Place
from souche.main.restored_records import refuse_occupied


class Records(Protocol):
    """The records of a home that no process works on."""

    are_file: bool
    """whether they are a file of the home, which is replaced with the other files"""

    def held(self) -> AbstractContextManager[None]:
        """Keep processes of other homes away from them, and check that they are this region's.

        Raises:
            RecordsInUse, ApiRuns, DatabaseTaken, RecordsThere, DatabaseNewer, and what `PostgreSql.check` raises.
        """
        ...

    def save(self, file: Path) -> None:
        """Write them, as of one instant, into a new file. Call it within `held`.

        Raises:
            DatabaseEmpty.
        """
        ...

    def prepare(self, file: Path) -> str:
        """Bring the records in a file to the newest schema, before they are loaded. Returns the id of their region.

        Raises:
            DatabaseNewer, DatabaseDamaged.
        """
        ...

    def load(self, file: Path, token: str) -> None:
        """Replace them with those in the file, in one transaction that also writes the token. Call it within `held`.

        Raises:
            RowsRefused.
        """
        ...

    def has(self, token: str) -> bool:
        """Whether the load with this token was committed. Waits for its transaction."""
        ...

    def keep(self, region_id: str) -> None:
        """Record the id of the loaded records' region in the home, if it is kept there for the database's sake."""
        ...


def of(home: Home) -> Records:
    """The records of a home.

    Raises:
        PlaceDamaged.
    """
    place = records.known(home)
    return InHome(home) if place is None else OnServer(home, place)


@dataclass(frozen=True)
class InHome:
    """`Records` in the home's file. It is replaced with the other files, so nothing else decides."""

    home: Home
    are_file = True

    def held(self) -> AbstractContextManager[None]:
        return nullcontext()

    def save(self, file: Path) -> None:
        state_files.copy_database(self.home.database, file)

    def prepare(self, file: Path) -> str:
        return examination.examine(file).region_id or ""

    def load(self, file: Path, token: str) -> None:
        """Does nothing."""

    def has(self, token: str) -> bool:  # noqa: ARG002
        return True

    def keep(self, region_id: str) -> None:
        """Does nothing."""


@dataclass(frozen=True)
class OnServer:
    """`Records` in a database of a PostgreSQL server."""

    home: Home
    place: Place
    are_file = False

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._opened() as (store, database), database.replaced():
            with store.read() as connection:
                found = examination.examine_records(connection, database.shown).region_id
                if found not in (None, self.place.region_id):
                    raise DatabaseTaken(home=self.home.path, database=database.shown, region_id=found)
                if found is None:
                    refuse_occupied(connection, database)
            store.migrate()
            yield

    def save(self, file: Path) -> None:
        file.touch(PRIVATE)
        with self._opened() as (store, database), store.read() as connection:
            database.allow_pauses(connection)
            if examination.examine_records(connection, database.shown).region_id is None:
                raise DatabaseEmpty(home=self.home.path, database=database.shown)
            row_copies.to_file(connection, file)

    def prepare(self, file: Path) -> str:
        examination.examine(file)
        with closing(Store(Sqlite(file))) as store:
            store.migrate()
            with store.begin() as connection:
                return region.adopt_id(connection, self.place.region_id)  # an early Souche recorded none

    def load(self, file: Path, token: str) -> None:
        with (
            self._opened() as (store, database),
            closing(Store(Sqlite(file))) as source,
            store.begin() as target,
            source.read() as connection,
        ):
            postgresql_load.empty(target, schema.metadata.sorted_tables)
            row_copies.load(connection, target, database)
            postgresql_load.write_note(target, token)

    def has(self, token: str) -> bool:
        with (
            self._opened() as (store, _database),
            store.begin() as connection,
        ):  # waits for the load of a killed process
            return postgresql_load.note(connection) == token

    def keep(self, region_id: str) -> None:
        records.keep(self.home, replace(self.place, region_id=region_id))

    @contextmanager
    def _opened(self) -> Iterator[tuple[Store, PostgreSql]]:
        database = self.place.open()
        with closing(Store(database)) as store:
            database.check()
            yield store, database
