"""The lock of the one server of a PostgreSQL database: an advisory lock of a session of its own.

PostgreSQL releases such a lock when the connection ends: with the process, and also by a restart of the database, an
administrator or a broken network. So a thread watches the connection and takes the lock again. Meanwhile another server
may have taken it; then there is no way back, as it has adopted this one's operations.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from typing import Any, Final, TypeAlias

import psycopg
import sqlalchemy as sa

LOOK_SECONDS: Final = 1.0
"""until the thread looks whether it is to end, or connects again"""

Connect: TypeAlias = Callable[[], psycopg.Connection[Any]]
Session: TypeAlias = tuple[int, datetime]
"""A session of the database: its process there, and since when. A process id alone may come back."""

_OWN: Final = b"SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_TRY: Final = b"SELECT pg_try_advisory_lock(%s)"
# https://www.postgresql.org/docs/current/view-pg-locks.html: a lock of one number is two halves, with objsubid 1.
_HOLDER: Final = b"""
    SELECT pid, backend_start FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid::bigint << 32 | objid::bigint = %s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_END: Final = b"SELECT pg_terminate_backend(%s)"
_LOST: Final = (psycopg.OperationalError, sa.exc.DBAPIError)


class ServerLock:
    """The lock `number`, on connections that `connect` makes. `taken` is called in a thread, once, if another process
    has taken it after the connection was lost."""

    def __init__(self, connect: Connect, number: int, taken: Callable[[], None]) -> None:
        self._connect = connect
        self._number = number
        self._taken = taken

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Whether this process has the lock, from now on until the context ends."""
        connection = self._connect()
        if not self._takes(connection):
            connection.close()
            yield False
            return
        ending = threading.Event()
        thread = threading.Thread(
            target=self._keep, args=(connection, ending), name="server-lock", daemon=True
        )
        thread.start()
        try:
            yield True
        finally:
            ending.set()
            thread.join()

    def _keep(self, connection: psycopg.Connection[Any], ending: threading.Event) -> None:
        while True:
            session = _session(connection)
            with closing(connection):
                _watch(connection, ending)
            again = self._again(session, ending)
            if again is None:
                return
            connection = again

    def _again(self, former: Session | None, ending: threading.Event) -> psycopg.Connection[Any] | None:
        """A connection that has the lock again. None: it ends, or the lock is another's."""
        while not ending.is_set():
            try:
                with ExitStack() as stack:
                    connection = stack.enter_context(closing(self._connect()))
                    if self._takes(connection):
                        stack.pop_all()
                        return connection
                    if self._is_taken(connection, former):
                        self._taken()
                        return None
            except _LOST:
                pass
            ending.wait(LOOK_SECONDS)
        return None

    def _is_taken(self, connection: psycopg.Connection[Any], former: Session | None) -> bool:
        """Whether another process has the lock. The database may not have noticed yet that this one's connection is
        lost: then it is told."""
        holder = connection.execute(_HOLDER, [self._number]).fetchone()
        if holder is not None and holder == former:
            connection.execute(_END, [holder[0]])
            return False
        return holder is not None

    def _takes(self, connection: psycopg.Connection[Any]) -> bool:
        row = connection.execute(_TRY, [self._number]).fetchone()
        assert row is not None, "SELECT without FROM gives one row"
        return bool(row[0])


def _session(connection: psycopg.Connection[Any]) -> Session | None:
    try:
        row = connection.execute(_OWN).fetchone()
    except _LOST:
        return None
    return row  # the row is a tuple of these two


def _watch(connection: psycopg.Connection[Any], ending: threading.Event) -> None:
    """Wait until the connection is lost, or it ends: a lost one is readable, as if a notification had come."""
    try:
        while not ending.is_set():
            for _notification in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                pass
    except psycopg.OperationalError:
        pass
