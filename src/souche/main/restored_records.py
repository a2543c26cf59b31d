"""The records of a restored region in a database of a PostgreSQL server (`backup.restore.Server`).

The transaction that loads them also writes the token of the restore, as a comment on a table. So after a crash the same
restore knows its own records, and no other restore takes them for its own.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from souche.db import examination, row_copies
from souche.db.engines import postgresql_load
from souche.db.engines.postgresql import PostgreSql
from souche.db.engines.sqlite import Sqlite
from souche.db.row_copies import RecordsThere
from souche.db.store import Store
from souche.db.transactions import Transaction
from souche.home import Home
from souche.main import records
from souche.main.records import Place


class RestoredRecords:
    """The records of the region in `home`, in the database at `place`."""

    def __init__(self, home: Home, place: Place) -> None:
        self._home = home
        self._place = place

    def has(self, token: str) -> bool:
        """By the comment.

        Raises:
            RecordsThere, BadSetting, and what `PostgreSql.check` raises.
        """
        with self._opened() as (store, database), store.read() as connection:
            if postgresql_load.note(connection) == token:
                return True
            refuse_occupied(connection, database)
            return False

    def load(self, token: str, file: Path) -> None:
        """As the only server of the database: nothing else writes to it.

        Raises:
            RecordsInUse, RecordsThere, RowsRefused, DatabaseNewer.
        """
        examination.examine(file)
        with (
            self._opened() as (store, database),
            database.served(_nobody_minds),
            closing(Store(Sqlite(file))) as source,
        ):
            source.migrate()  # of an earlier release
            with store.read() as connection:
                refuse_occupied(connection, database)
            store.migrate()
            with store.begin() as target, source.read() as connection:
                refuse_occupied(target, database)
                row_copies.load(connection, target, database)
                postgresql_load.write_note(target, token)

    def keep(self) -> None:
        """In database.json."""
        records.keep(self._home, self._place)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Store, PostgreSql]]:
        database = self._place.open()
        with closing(Store(database)) as store:
            database.check()
            yield store, database


def refuse_occupied(connection: Transaction, database: PostgreSql) -> None:
    """Refuse a database that has rows.

    Raises:
        RecordsThere.
    """
    table = row_copies.occupied(connection)
    if table is not None:
        raise RecordsThere(database=database.shown, table=table)


def _nobody_minds() -> None:
    """The transaction that loads has the writers' lock."""
