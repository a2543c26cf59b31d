"""SQLite: a file, and no server. The default."""

import sqlite3
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import DDLCompiler

from souche.db.engines import sqlite_load
from souche.db.engines.elements import (
    MERGING,
    PATTERNS,
    CreateTrigger,
    DatabaseClock,
    DropTrigger,
    JsonArray,
    JsonObject,
    JsonOf,
    LastNumber,
    Matches,
    RandomInteger,
    RowNumber,
    Unindexed,
    spelled,
)
from souche.errors import OutOfTime, SystemFailure, WritersBusy

NAME: Final = "sqlite"

Answer = TypeVar("Answer")

BUSY_TIMEOUT_MS: Final = 30_000
CONNECTIONS_KEPT: Final = 8  # kept open while unused
STEPS_BETWEEN_LOOKS: Final = 1000  # about 0.1 ms
UNLIMITED: Final = -1  # the number of threads limits the connections in use


class Sqlite:
    """A SQLite file in WAL mode, with foreign keys on.

    Write transactions begin with BEGIN IMMEDIATE, so that two writers queue at the start instead of failing half-way
    (https://www.sqlite.org/lang_transaction.html). The number of connections is not limited, because queued writers
    keep theirs: a request that only reads, also on the event loop, never waits for them.
    """

    is_local = True
    is_shared = False

    def __init__(self, path: Path) -> None:
        self.engine = _engine(f"sqlite:///{path}", pool_size=CONNECTIONS_KEPT, max_overflow=UNLIMITED)
        sa.event.listen(self.engine, "connect", _set_journal)
        sa.event.listen(self.engine, "begin", _begin)
        self._reader: sa.Engine = self.engine.execution_options(reads=True)
        self._watcher: Any = None
        self._idle: list[Any] = []
        """connections of `bounded_read`; the event loop and threads take them"""

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """`BEGIN IMMEDIATE`."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self, most_seconds: float | None = None) -> Iterator[sa.Connection]:
        """`BEGIN`: one state from the first statement on (https://www.sqlite.org/isolation.html). The time limit is
        checked every `STEPS_BETWEEN_LOOKS` steps of SQLite's virtual machine."""
        with self._reader.begin() as connection:
            if most_seconds is None:
                yield connection
            else:
                with _BrokenOff(connection.connection.driver_connection, most_seconds):
                    yield connection

    @contextmanager
    def bounded_read(
        self,
        most_seconds: float | None,
        *,
        once: bool = False,  # noqa: ARG002
    ) -> Iterator[DBAPIConnection]:
        """As `read`. These connections have no pool of SQLAlchemy, whose events take longer than the transaction."""
        idle = self._idle
        try:
            connection = idle.pop()
        except IndexError:  # another thread took the last one
            connection = self._own_connection()
        try:
            connection.execute("BEGIN")
            if most_seconds is None:
                yield connection
            else:
                with _BrokenOff(connection, most_seconds):
                    yield connection
        finally:
            connection.rollback()
            if len(idle) < CONNECTIONS_KEPT:
                idle.append(connection)
            else:
                connection.close()

    def change_mark(self) -> Hashable:
        """By `data_version` (https://www.sqlite.org/pragma.html#pragma_data_version), in a few microseconds, where a
        page of images takes a millisecond. It does not count a connection's own commits: this connection never writes.
        """
        if self._watcher is None:
            self._watcher = self._own_connection()
        mark: int = self._watcher.execute("PRAGMA data_version").fetchone()[0]
        return mark

    async def next_mark(self) -> Hashable:
        """As `change_mark`."""
        return self.change_mark()

    async def on_event_loop(self, work: Callable[[], Answer]) -> Answer:
        """A read takes microseconds, or has a time limit."""
        return work()

    def is_on_event_loop(self) -> bool:
        """Never: writers do not run there."""
        return False

    def _own_connection(self) -> Any:
        """A connection that is in no pool."""
        connection = self.engine.raw_connection()
        connection.detach()
        return connection.dbapi_connection

    def history(self) -> Hashable:
        """Always the same: nobody exchanges the file of a running process."""
        return None

    def size_bytes(self, connection: sa.Connection) -> int:
        """The sizes of the file and of its write-ahead log."""
        of_main = "SELECT file FROM pragma_database_list WHERE name = 'main'"
        file = Path(connection.exec_driver_sql(of_main).scalar_one())
        size = 0
        for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
            with suppress(FileNotFoundError):  # the last connection that closes removes the log
                size += file.with_name(name).stat().st_size
        return size

    def failure(self, error: Exception) -> SystemFailure | None:
        """`SQLITE_BUSY`: another process wrote for the whole timeout. (A full medium is recognised by `room.full`.)"""
        if getattr(getattr(error, "orig", error), "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            return WritersBusy(seconds=BUSY_TIMEOUT_MS // 1000)
        return None

    def served(self, taken: Callable[[], None]) -> AbstractContextManager[None]:  # noqa: ARG002
        """The lock on the home does."""
        return nullcontext()

    def alone(self, name: str) -> AbstractContextManager[bool]:  # noqa: ARG002
        """Always: a process that sweeps holds the lock on the home."""
        return nullcontext(enter_result=True)

    def announce(self, connection: sa.Connection) -> None:
        """Does nothing: the only other processes are the operator's commands."""

    def announcements(self, heard: Callable[[], None]) -> AbstractContextManager[None]:  # noqa: ARG002
        """There are none."""
        return nullcontext()

    def allow_pauses(self, connection: sa.Connection) -> None:
        """Does nothing: SQLite ends no transaction."""

    loading = staticmethod(sqlite_load.loading)

    def close(self) -> None:
        """Close every connection."""
        if self._watcher is not None:
            self._watcher.close()
        self._watcher = None
        idle, self._idle = self._idle, []  # a read under way returns its connection to the old list
        while idle:
            idle.pop().close()
        self.engine.dispose()


class ReadOnlySqlite(Sqlite):
    """An existing SQLite file. It can be read while a server writes; nothing is written, created or migrated."""

    def __init__(self, path: Path) -> None:
        self.engine = _engine(
            f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true", poolclass=sa.pool.NullPool
        )
        sa.event.listen(self.engine, "begin", _begin_reading)
        self._reader = self.engine
        self._watcher = None
        self._idle = []


def copy_pages(connection: sa.Connection, path: Path) -> None:
    """Copy the file, as an open transaction of `ReadOnlySqlite` sees it, to an empty file at `path`: much faster than
    row by row (https://www.sqlite.org/backup.html)."""
    with closing(sqlite3.connect(path)) as target:
        source: Any = connection.connection.driver_connection
        source.backup(target)


class CopiedSqlite(Sqlite):
    """A new file for a copy of the records, which takes rows as they are, also those that refer to missing rows. Writes
    are not synced to the medium: after a power failure the file is not used."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        sa.event.listen(self.engine, "connect", _take_everything)


def _take_everything(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("PRAGMA synchronous=OFF")


def _engine(url: str, **options: Any) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, **options)
    sa.event.listen(engine, "connect", _leave_transactions_to_us)
    return engine


def _leave_transactions_to_us(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None


def _set_journal(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _begin_reading(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


class _BrokenOff:
    """Statements are broken off when the time is over (https://www.sqlite.org/c3ref/progress_handler.html). A context
    of `contextlib` takes thrice as long.

    Raises:
        OutOfTime.
    """

    def __init__(self, connection: Any, most_seconds: float) -> None:
        self._connection = connection
        self._most_seconds = most_seconds

    def __enter__(self) -> None:
        end = time.perf_counter() + self._most_seconds
        self._connection.set_progress_handler(lambda: time.perf_counter() > end, STEPS_BETWEEN_LOOKS)

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        self._connection.set_progress_handler(None, 0)
        if isinstance(error, sqlite3.OperationalError | sa.exc.OperationalError):
            driver = getattr(error, "orig", error)
            if getattr(driver, "sqlite_errorname", None) == "SQLITE_INTERRUPT":
                raise OutOfTime(seconds=self._most_seconds) from error


def checkpoint(database: Path, wait_seconds: float) -> None:
    """Copy the write-ahead log into a SQLite file, so that a copy of the file alone is complete. Waits this long for
    writers; 0: copies as much as possible without waiting
    (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint)."""
    mode = "TRUNCATE" if wait_seconds else "PASSIVE"
    with closing(sqlite3.connect(database, timeout=wait_seconds)) as connection:
        connection.execute(f"PRAGMA wal_checkpoint({mode})")


def _glob(pattern: str) -> str:
    return pattern.replace("[", "[[]").replace("?", "[?]")


PATTERNS[NAME] = _glob
MERGING.add(
    NAME
)  # https://www.sqlite.org/lang_select.html: "co-routines" of EXPLAIN QUERY PLAN, if no part has a limit
compiles(Matches, NAME)(spelled("{0} GLOB {1}"))  # LIKE ignores case

# Without statistics, SQLite assumes that every index is selective
# (https://www.sqlite.org/optoverview.html#disqualifying_where_clause_terms_using_unary_).
compiles(Unindexed, NAME)(spelled("+({all})"))

# https://www.sqlite.org/lang_createtable.html#rowid
compiles(RowNumber, NAME)(spelled("{0}.rowid"))

compiles(JsonOf, NAME)(spelled("json({all})"))
compiles(JsonObject, NAME)(spelled("json_object({all})"))
compiles(JsonArray, NAME)(spelled("json_group_array({all})"))
compiles(RandomInteger, NAME)(spelled("random()"))
compiles(LastNumber, NAME)(spelled("(SELECT seq FROM sqlite_sequence WHERE name = {0})"))
compiles(DatabaseClock, NAME)(spelled("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '{0} seconds')"))


@compiles(CreateTrigger, NAME)
def _create_trigger(trigger: CreateTrigger, compiler: DDLCompiler, **_options: Any) -> str:
    statement = compiler.sql_compiler.process(trigger.statement, literal_binds=True)
    return (
        f"CREATE TRIGGER {trigger.name} AFTER {trigger.event} ON {trigger.table} WHEN {trigger.condition}"
        f" BEGIN {statement}; END"
    )


@compiles(DropTrigger, NAME)
def _drop_trigger(trigger: DropTrigger, _compiler: DDLCompiler, **_options: Any) -> str:
    return f"DROP TRIGGER {trigger.name}"
