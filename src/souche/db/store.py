"""The database as a whole: connections, transactions, migrations."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import sqlalchemy as sa

BUSY_TIMEOUT_MS = 30_000
MIGRATIONS = Path(__file__).parent / "migrations"


def sqlite_engine(path: Path) -> sa.Engine:
    """An engine on a SQLite file in WAL mode, with foreign keys on.

    Transactions that write begin with BEGIN IMMEDIATE (`Store.begin`), so that two writers queue at the start
    instead of failing half-way (https://www.sqlite.org/lang_transaction.html).
    """
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


class Store:
    """Opens transactions on the region's database."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._reader = engine.execution_options(reads=True)

    def migrate(self) -> None:
        """Bring the database to the newest schema; harmless when it is there already."""
        config = alembic.config.Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.engine.connect() as connection:
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")

    @contextmanager
    def begin(self, *, rehearsal: bool = False) -> Iterator[sa.Connection]:
        """A transaction that may write: committed at the end, rolled back on an exception, and in any case when
        it is a rehearsal."""
        with self.engine.connect() as connection, connection.begin() as transaction:
            yield connection
            if rehearsal:
                transaction.rollback()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads, on one consistent state; it never waits for writers (WAL)."""
        with self._reader.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
