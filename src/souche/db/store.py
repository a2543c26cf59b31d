"""The database as a whole: connections, transactions, migrations."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from sqlalchemy.sql.compiler import SQLCompiler

from souche.db import revisions
from souche.db.memo import Memo
from souche.db.pieces import Pieces
from souche.db.writers import Writers
from souche.errors import OutOfTime
from souche.room import told_full

BUSY_TIMEOUT_MS = 30_000

CONNECTIONS_KEPT = 8  # open while nobody uses them
STEPS_BETWEEN_LOOKS = 1000  # some 0.1 ms
UNLIMITED = -1  # threads are what limits the connections in use


def sqlite_engine(path: Path) -> sa.Engine:
    """An engine on a SQLite file in WAL mode, with foreign keys on.

    Transactions that write begin with BEGIN IMMEDIATE (`Store.begin`), so that two writers queue at the start
    instead of failing half-way (https://www.sqlite.org/lang_transaction.html). Nobody waits for a connection, as
    writers keep theirs while they queue: a request that only reads, on the event loop too, goes past them.
    """
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000},
        pool_size=CONNECTIONS_KEPT,
        max_overflow=UNLIMITED,
    )

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


def checkpoint(database: Path, wait_seconds: float) -> None:
    """Bring into a SQLite file what is in its write-ahead log only, so that a copy of the file alone has it. Waits so
    long for those who write; 0: brings in what can be without waiting
    (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint)."""
    mode = "TRUNCATE" if wait_seconds else "PASSIVE"
    with closing(sqlite3.connect(database, timeout=wait_seconds)) as connection:
        connection.execute(f"PRAGMA wal_checkpoint({mode})")


class Prepared:
    """A statement that is compiled once, and then goes to the driver as it is.

    Its parameters are named. One that expands (IN) has as many values as it was made with, named `NAME_1` and
    so on. What comes back is as the driver gives it: dates are text, and SQLite's yes and no are 1 and 0.
    """

    def __init__(self, statement: sa.Select[Any]) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def on(self, dialect: sa.Dialect) -> "_Compiled":
        """Its text in the words of a database."""
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = _Compiled(self._statement, dialect)
        return self._compiled[dialect.name]


class _Compiled:
    def __init__(self, statement: sa.Select[Any], dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        assert isinstance(compiled, SQLCompiler)
        self.text = compiled.string
        self._order = compiled.positiontup
        self._processors = {
            name: processor
            for name, bind in compiled.binds.items()
            if (processor := bind.type.dialect_impl(dialect).bind_processor(dialect))
        }
        self._constants = {
            name: self._processed(name, bind.value)
            for name, bind in compiled.binds.items()
            if not bind.required and not bind.expanding
        }

    def arguments(self, parameters: Mapping[str, object]) -> Any:
        """The parameters as the driver takes them: by position or by name."""
        given = {name: self._processed(name, value) for name, value in parameters.items()}
        values = {**self._constants, **given}
        return values if self._order is None else [values[name] for name in self._order]

    def _processed(self, name: str, value: object) -> object:
        processor = self._processors.get(name) or self._processors.get(name.rpartition("_")[0])
        return processor(value) if processor else value


class Reader:
    """Runs prepared statements in one transaction that only reads: all see one consistent state."""

    def __init__(self, connection: sa.PoolProxiedConnection, dialect: sa.Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def rows(self, statement: Prepared, parameters: Mapping[str, object]) -> Sequence[tuple[Any, ...]]:
        """All rows of a statement."""
        rows: Sequence[tuple[Any, ...]] = self._execute(statement, parameters).fetchall()
        return rows

    def stream(self, statement: Prepared, parameters: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement, each found when it is asked for."""
        with closing(self._execute(statement, parameters)) as cursor:
            yield from iter(cursor.fetchone, None)

    def _execute(self, statement: Prepared, parameters: Mapping[str, object]) -> Any:
        compiled = statement.on(self._dialect)
        cursor = self._connection.cursor()
        cursor.execute(compiled.text, compiled.arguments(parameters))
        return cursor


class Store:
    """Opens transactions on the region's database. `memo` keeps what was read until something is committed, `pieces`
    what an image shows until it is changed. `writers` is the queue before the transactions that write."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.memo = Memo(engine)
        self.pieces = Pieces()
        self.writers = Writers(BUSY_TIMEOUT_MS / 1000)
        self._reader = engine.execution_options(reads=True)

    def migrate(self, revision: str = "head") -> None:
        """Bring the database to the newest schema, or a former one; harmless when it is there already."""
        if revision == "head" and self._is_newest():
            return
        config = alembic.config.Config()
        config.set_main_option("script_location", str(revisions.MIGRATIONS))
        with self.engine.connect() as connection:
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, revision)

    def _is_newest(self) -> bool:
        with self.read() as connection:
            return MigrationContext.configure(connection).get_current_revision() == revisions.known()[0]

    @contextmanager
    def begin(self, *, rehearsal: bool = False, request: bool = False) -> Iterator[sa.Connection]:
        """A transaction that may write: committed at the end, rolled back on an exception, and in any case when
        it is a rehearsal. It waits for its turn (`db/writers`), among requests or among the work behind them.

        Raises:
            WritersBusy: the turn did not come. OutOfSpace: the medium of the database is full.
        """
        with (
            told_full(),
            self.writers.turn(request=request),
            self.engine.connect() as connection,
            connection.begin() as transaction,
        ):
            yield connection
            if rehearsal:
                transaction.rollback()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads, on one consistent state; it never waits for writers (WAL)."""
        with told_full(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def reader(self, most_seconds: float | None = None) -> Iterator[Reader]:
        """For prepared statements: much cheaper than `read`, and it waits for nobody either.

        Raises:
            OutOfTime: a statement was under way when `most_seconds` were over.
        """
        with told_full(), closing(self.engine.raw_connection()) as connection:
            connection.cursor().execute("BEGIN")
            with (
                nullcontext()
                if most_seconds is None
                else _bounded(connection.driver_connection, most_seconds)
            ):
                yield Reader(connection, self.engine.dialect)

    def close(self) -> None:
        """Close every connection."""
        self.memo.close()
        self.engine.dispose()


@contextmanager
def _bounded(connection: Any, most_seconds: float) -> Iterator[None]:
    """Statements of a connection of SQLite are broken off when the time is over: it asks every so many steps of its
    machine (https://www.sqlite.org/c3ref/progress_handler.html)."""
    end = time.perf_counter() + most_seconds
    connection.set_progress_handler(lambda: time.perf_counter() > end, STEPS_BETWEEN_LOOKS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_INTERRUPT":
            raise
        raise OutOfTime(seconds=most_seconds) from error
    finally:
        connection.set_progress_handler(None, 0)
