"""PostgreSQL, from version 14 on: a server, for many processes.

Writers begin by taking one advisory lock. Under READ COMMITTED they then read everything committed before, so rules
across rows hold as on SQLite. Measured with concurrent DeleteSnapshot and CreateImage: in 100 rounds no rule was broken
and no transaction rolled back. Without the lock 135 of 150 rounds broke a rule, and SERIALIZABLE rolls back up to half
of all writers.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any, Final, TypeVar, cast

import psycopg
import sqlalchemy as sa

from souche.db.engines import postgresql_failures, postgresql_history, postgresql_load
from souche.db.engines.greenlets import Greenlets, is_in_greenlet
from souche.db.engines.postgresql_checks import BYTEWISE, RIGHTS_MISSING
from souche.db.engines.postgresql_connections import (
    LOCK_SECONDS,
    Connection,
    engine,
)
from souche.db.engines.postgresql_elements import NAME
from souche.db.engines.postgresql_history import History
from souche.db.engines.postgresql_marks import Openings, Watcher
from souche.db.engines.postgresql_processes import WRITERS_LOCK, Processes
from souche.errors import OutOfTime, RecordsUnavailable, SystemFailure

Answer = TypeVar("Answer")

OLDEST_VERSION: Final = 14
MOST_CLOCK_SECONDS: Final = 1.0

NAMED_LOCKS: Final = 0x50_75_63
"""the first of two numbers of named locks; the second is derived from the name"""
CHANNEL: Final = "souche_operations"
STATEMENT_SECONDS: Final = 0.1
"""limit of a statement of the event loop: a slower read holds a connection for too long, and runs in a thread"""
MARK_SECONDS: Final = 10.0
"""longest wait for a mark on the event loop: its session may be silent while the server answers others"""
LISTEN_SECONDS: Final = 1.0  # between two checks whether the listening thread should end or reconnect
_TRY_LOCK: Final = sa.text("SELECT pg_try_advisory_lock(:kind, hashtext(:name))")
_UNLOCK: Final = sa.text("SELECT pg_advisory_unlock(:kind, hashtext(:name))")


class ServerUnreachable(SystemFailure):
    """The database {database} cannot be reached: {reason}"""


class ServerTooOld(SystemFailure):
    """The server of the database {database} is PostgreSQL {version}: version {oldest} or later is needed."""


class ServerIsStandby(SystemFailure):
    """The server of the database {database} is a standby, which takes no writes: name the primary."""


class WrongEncoding(SystemFailure):
    """The database {database} has the encoding {encoding}: create it with ENCODING 'UTF8' TEMPLATE template0."""


class WrongCollation(SystemFailure):
    """The database {database} has the collation {collation}, which does not compare byte by byte: create it with
    LOCALE 'C' TEMPLATE template0."""


class ServerReadOnly(SystemFailure):
    """The database {database} takes no writes: set default_transaction_read_only to off for the role {role}, the
    database or the server."""


class RightsMissing(SystemFailure):
    """The role {role} has no right to {what} in the database {database}: make it the owner of the database and of its
    tables."""


class ClockDiffers(SystemFailure):
    """The clock of the server of the database {database} differs from this machine's by {seconds} seconds: keep both by
    NTP, within {most} second."""


class PostgreSql:
    """One database of a PostgreSQL server. `url` may hold a password: it is in no error and in no log."""

    is_local = False
    is_shared = True

    def __init__(self, url: str) -> None:
        parsed = sa.make_url(url).set(drivername=f"{NAME}+psycopg")
        self.shown = parsed.set(drivername=NAME, query={}).render_as_string(hide_password=True)
        self.engine = engine(parsed, "READ COMMITTED")
        sa.event.listen(self.engine, "begin", _take_the_writers_lock)
        # After a rollback psycopg prepares its statements again, and the server plans them again.
        self._readers = engine(parsed, "REPEATABLE READ", pool_reset_on_return="commit")
        self._readers_on_loop = engine(parsed, "REPEATABLE READ", pool_reset_on_return="commit")
        sa.event.listen(self._readers, "connect", _only_read)
        sa.event.listen(self._readers_on_loop, "connect", _only_read)
        sa.event.listen(self._readers_on_loop, "connect", _limit_statements)
        self._is_met = False
        self._greenlets = Greenlets()
        openings = Openings()
        self._watcher = Watcher(self._own_connection, openings)
        self._watcher_on_loop = Watcher(self._own_connection, openings)
        self._history = History()
        self._processes = Processes(self._own_connection, self.shown)

    def check(self, now: Callable[[], float] = time.time) -> None:
        """Refuse a server that the region's rules would not hold on. `now` is this machine's clock.

        Raises:
            ServerUnreachable, ServerTooOld, ServerIsStandby, ServerReadOnly, WrongEncoding, WrongCollation,
            RightsMissing, ClockDiffers.
        """
        try:
            with self._readers.connect() as connection:
                self._check(connection, now)
        except sa.exc.DBAPIError as error:
            reason = str(error.orig).strip().replace("\n", "; ")
            raise ServerUnreachable(database=self.shown, reason=reason) from None

    def version(self) -> str:
        """The server's, such as `15.14 (Debian 15.14-0+deb12u1)`."""
        with self._readers.connect() as connection:
            return str(connection.exec_driver_sql("SHOW server_version").scalar_one())

    def _check(self, connection: sa.Connection, now: Callable[[], float]) -> None:
        version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
        if version < OLDEST_VERSION * 10_000:
            raise ServerTooOld(database=self.shown, version=version // 10_000, oldest=OLDEST_VERSION)
        if connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one():
            raise ServerIsStandby(database=self.shown)
        role = connection.exec_driver_sql("SELECT current_user").scalar_one()
        if connection.exec_driver_sql("SHOW default_transaction_read_only").scalar_one() == "on":
            raise ServerReadOnly(database=self.shown, role=role)
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding != "UTF8":
            raise WrongEncoding(database=self.shown, encoding=encoding)
        if not connection.exec_driver_sql(BYTEWISE).scalar_one():
            name = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
            collation = connection.exec_driver_sql(name).scalar_one()
            raise WrongCollation(database=self.shown, collation=collation)
        for what in connection.exec_driver_sql(RIGHTS_MISSING).scalars():
            raise RightsMissing(database=self.shown, role=role, what=what)
        self._check_clock(connection, now)

    def _check_clock(self, connection: sa.Connection, now: Callable[[], float]) -> None:
        before = now()
        there = float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())
        after = now()
        difference = max(before - there, there - after, 0)
        if difference > MOST_CLOCK_SECONDS:
            raise ClockDiffers(
                database=self.shown, seconds=f"{difference:.1f}", most=f"{MOST_CLOCK_SECONDS:g}"
            )

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """READ COMMITTED, behind the writers' lock."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self, most_seconds: float | None = None) -> Iterator[sa.Connection]:
        """REPEATABLE READ, READ ONLY: one state from the first statement on. The server checks the time limit of each
        statement; on the event loop it is always STATEMENT_SECONDS."""
        if is_in_greenlet():
            with _in_time(STATEMENT_SECONDS), self._readers_on_loop.begin() as connection:
                _set_autocommit(connection.connection, to=False)
                yield connection
        else:
            with self._readers.begin() as connection, _bounded(connection.connection, most_seconds):
                yield connection

    @contextmanager
    def bounded_read(
        self, most_seconds: float | None, *, once: bool = False
    ) -> Iterator[sa.PoolProxiedConnection]:
        """As `read`. `once` saves the round trips of BEGIN and COMMIT on the event loop."""
        if is_in_greenlet():
            with _in_time(STATEMENT_SECONDS), closing(self._readers_on_loop.raw_connection()) as connection:
                _set_autocommit(connection, to=once)
                yield cast("sa.PoolProxiedConnection", _OneStatement(connection)) if once else connection
        else:
            with closing(self._readers.raw_connection()) as connection, _bounded(connection, most_seconds):
                yield connection

    async def on_event_loop(self, work: Callable[[], Answer]) -> Answer:
        """In a greenlet (`greenlets.py`)."""
        if not self._is_met:
            await asyncio.to_thread(self._meet)
            self._is_met = True
        return await self._greenlets.run(work)

    def _meet(self) -> None:
        """Connect once: SQLAlchemy then asks the server for its version, under a lock that would block the loop."""
        try:
            for each in (self.engine, self._readers_on_loop):
                each.connect().close()
        except sa.exc.DBAPIError as error:
            raise self.failure(error) or error from error

    def is_on_event_loop(self) -> bool:
        """Whether `on_event_loop` runs the calling function."""
        return is_in_greenlet()

    def change_mark(self) -> Hashable:
        """By the transactions that a snapshot sees (`postgresql_marks.py`)."""
        return self._mark(self._watcher)

    async def next_mark(self) -> Hashable:
        """As `change_mark`. All requests wait for it: after `MARK_SECONDS`, its connection is closed."""
        try:
            async with asyncio.timeout(MARK_SECONDS):
                return await self.on_event_loop(lambda: self._mark(self._watcher_on_loop))
        except TimeoutError:
            raise RecordsUnavailable(reason=f"no answer within {MARK_SECONDS:g} seconds") from None

    def _mark(self, watcher: Watcher) -> Hashable:
        try:
            return watcher.mark()
        except (psycopg.Error, sa.exc.DBAPIError) as error:
            raise self.failure(error) or error from error

    def history(self) -> Hashable:
        """By the log's timeline and length (`postgresql_history.py`)."""
        with self._readers.connect() as connection:
            row = connection.exec_driver_sql(postgresql_history.STATEMENT).one_or_none()
        if row is None:
            raise RecordsUnavailable(reason="its server is a standby")
        return self._history.seen(row)

    def size_bytes(self, connection: sa.Connection) -> int:
        """The size of the whole database."""
        size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
        return int(size)

    def failure(self, error: Exception) -> SystemFailure | None:
        """By SQLSTATE (`postgresql_failures.py`)."""
        return postgresql_failures.failure(error, LOCK_SECONDS)

    def served(self, taken: Callable[[], None]) -> AbstractContextManager[None]:
        """By an advisory lock of a session (`postgresql_processes.py`)."""
        return self._processes.served(taken)

    def answered(self, taken: Callable[[], None]) -> AbstractContextManager[None]:
        """`Processes.answered`."""
        return self._processes.answered(taken)

    def replaced(self) -> AbstractContextManager[None]:
        """`Processes.replaced`."""
        return self._processes.replaced()

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """By an advisory lock of a session, which ends with this process or with its connection: for the rest of the
        context another process may then do the same."""
        with self._readers.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            lock = {"kind": NAMED_LOCKS, "name": name}
            if not _asked(connection, _TRY_LOCK, lock):
                yield False
                return
            try:
                yield True
            finally:
                with suppress(sa.exc.DBAPIError):  # the lock was lost with its connection
                    _asked(connection, _UNLOCK, lock)

    def announce(self, connection: sa.Connection) -> None:
        """By NOTIFY, which the server sends when the transaction is committed."""
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")

    @contextmanager
    def announcements(self, heard: Callable[[], None]) -> Iterator[None]:
        """By LISTEN, on a separate connection, which is reopened when it is lost."""
        ending = threading.Event()
        thread = threading.Thread(
            target=self._listen, args=(heard, ending), name="announcements", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join(2 * LISTEN_SECONDS)

    def _listen(self, heard: Callable[[], None], ending: threading.Event) -> None:
        while not ending.is_set():
            try:
                with closing(self._own_connection()) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    heard()  # for notifications before LISTEN
                    while not ending.is_set():
                        for _announced in connection.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                            heard()
            except (psycopg.Error, sa.exc.DBAPIError):
                ending.wait(LISTEN_SECONDS)

    def _own_connection(self) -> psycopg.Connection[Any]:
        """One that is no longer the pool's, without transactions."""
        connection = self.engine.raw_connection()
        own = connection.driver_connection
        assert isinstance(own, psycopg.Connection)
        connection.detach()
        own.autocommit = True
        return own

    def allow_pauses(self, connection: sa.Connection) -> None:
        """It holds no lock that others wait for."""
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")

    loading = staticmethod(postgresql_load.loading)

    def close(self) -> None:
        """Close every connection."""
        self._watcher.close()
        self._watcher_on_loop.close()
        self._readers.dispose()
        self._readers_on_loop.dispose()
        self.engine.dispose()


def _only_read(connection: psycopg.Connection[Any], _record: object) -> None:
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True


def _limit_statements(connection: Connection, _record: object) -> None:
    connection.execute(f"SET statement_timeout = {int(STATEMENT_SECONDS * 1000)}".encode())
    connection.commit()


class _OneStatement:
    """A connection whose next statement is a transaction. Another statement would see another state."""

    def __init__(self, connection: sa.PoolProxiedConnection) -> None:
        self._connection = connection
        self._is_used = False

    def cursor(self) -> Any:
        if self._is_used:
            raise OutOfTime(seconds=0)
        self._is_used = True
        return self._connection.cursor()


def _set_autocommit(connection: sa.PoolProxiedConnection, *, to: bool) -> None:
    own = connection.driver_connection
    assert isinstance(own, psycopg.Connection)
    if own.autocommit != to:
        own.autocommit = to


@contextmanager
def _bounded(connection: sa.PoolProxiedConnection, most_seconds: float | None) -> Iterator[None]:
    if most_seconds is None:
        yield
        return
    connection.cursor().execute(f"SET LOCAL statement_timeout = {max(int(most_seconds * 1000), 1)}")
    with _in_time(most_seconds):
        yield


@contextmanager
def _in_time(most_seconds: float) -> Iterator[None]:
    try:
        yield
    except (psycopg.errors.QueryCanceled, sa.exc.OperationalError) as error:
        if not isinstance(getattr(error, "orig", error), psycopg.errors.QueryCanceled):
            raise
        raise OutOfTime(seconds=most_seconds) from error


def _take_the_writers_lock(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")


def _asked(connection: sa.Connection, statement: sa.TextClause, lock: dict[str, object]) -> bool:
    """The answer to a statement about a session's lock. Without an answer the connection is closed: it may have the
    lock, and would keep it in the pool."""
    try:
        return bool(connection.execute(statement, lock).scalar_one())
    except sa.exc.DBAPIError:
        connection.invalidate()
        raise
