"""A lock that a process holds on a PostgreSQL database while it runs: an advisory lock of a separate session. The one
server holds its lock alone; processes that only answer the API share theirs.

PostgreSQL releases such a lock when the connection ends: with the process, but also after a restart of the database, by
an administrator, or after a network failure. So a thread watches the connection and takes the lock again. If another
process has taken it meanwhile, this one must end: another server has taken over the operations of the first.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, TypeAlias

import psycopg
import sqlalchemy as sa

LOOK_SECONDS: Final = 1.0
"""between two checks whether the thread should end or reconnect"""

Connect: TypeAlias = Callable[[], psycopg.Connection[Any]]
Session: TypeAlias = tuple[int, datetime]
"""A session of the database: the id and start time of its server process. An id alone may be reused."""

_OWN: Final = b"SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_TRY: Final = b"SELECT pg_try_advisory_lock(%s)"
_TRY_SHARED: Final = b"SELECT pg_try_advisory_lock_shared(%s)"
# https://www.postgresql.org/docs/current/view-pg-locks.html: a 64-bit lock is shown as two halves, with objsubid 1.
_HOLDER: Final = b"""
    SELECT pid, backend_start FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid::bigint << 32 | objid::bigint = %s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_END: Final = b"SELECT pg_terminate_backend(%s)"
_RELEASE: Final = b"SELECT pg_advisory_unlock_all()"
_LOST: Final = (psycopg.Error, sa.exc.DBAPIError)


@dataclass(frozen=True)
class Held:
    """The lock, and the session that has it."""

    connection: psycopg.Connection[Any]
    session: Session


class Other(Enum):
    """The other process's use of the lock."""

    HAS_IT = "another process"
    HAD_IT = "nobody any more: it is free, or will be in a moment"


class ServerLock:
    """The lock `number`, on connections that `connect` makes. `taken` is called in a thread, once, if another process
    has taken it after the connection was lost; None: it does not matter if the lock is lost. `shared`: others may share
    it, and none may have it alone."""

    def __init__(
        self, connect: Connect, number: int, taken: Callable[[], None] | None, *, shared: bool = False
    ) -> None:
        self._connect = connect
        self._number = number
        self._taken = taken
        self._trying = _TRY_SHARED if shared else _TRY

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Whether this process has the lock, from now on until the context ends."""
        held = self._try(None)
        if not isinstance(held, Held):
            yield False
            return
        if self._taken is None:
            with _released(held.connection):
                yield True
            return
        ending = threading.Event()
        thread = threading.Thread(
            target=self._keep, args=(held, ending, self._taken), name="server-lock", daemon=True
        )
        thread.start()
        try:
            yield True
        finally:
            ending.set()
            thread.join()

    def _keep(self, held: Held, ending: threading.Event, taken: Callable[[], None]) -> None:
        while True:
            with _released(held.connection):
                _watch(held.connection, ending)
            again = self._again(held.session, ending, taken)
            if again is None:
                return
            held = again

    def _again(self, former: Session, ending: threading.Event, taken: Callable[[], None]) -> Held | None:
        """The lock, held again. None: it ends, or the lock is another's."""
        while not ending.is_set():
            with suppress(*_LOST):
                found = self._try(former)
                if isinstance(found, Held):
                    return found
                if found is Other.HAS_IT:
                    taken()
                    return None
            ending.wait(LOOK_SECONDS)
        return None

    def _try(self, former: Session | None) -> Held | Other:
        """Try to take the lock, once. The database may not have noticed yet that the connection of the `former` session
        is lost: then that session is ended."""
        with ExitStack() as stack:
            connection = stack.enter_context(closing(self._connect()))
            session = connection.execute(_OWN).fetchone()
            assert session is not None, "a session sees itself"
            if self._takes(connection):
                stack.pop_all()
                return Held(connection, session)
            holder = connection.execute(_HOLDER, [self._number]).fetchone()
            if holder is None or holder != former:
                return Other.HAD_IT if holder is None else Other.HAS_IT
            connection.execute(_END, [holder[0]])
            return Other.HAD_IT

    def _takes(self, connection: psycopg.Connection[Any]) -> bool:
        row = connection.execute(self._trying, [self._number]).fetchone()
        assert row is not None, "SELECT without FROM gives one row"
        return bool(row[0])


@contextmanager
def _released(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Close a connection at the end, and free its locks before: its session ends some time after it."""
    with closing(connection):
        try:
            yield
        finally:
            with suppress(*_LOST):
                connection.execute(_RELEASE)


def _watch(connection: psycopg.Connection[Any], ending: threading.Event) -> None:
    """Wait until the connection is lost, or it ends: a lost one is readable, as if a notification had come."""
    try:
        while not ending.is_set():
            for _notification in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                pass
    except psycopg.Error:
        pass
