"""Connections to PostgreSQL, which wait for the server in two ways: in a thread by blocking it; on the event loop by
letting it do other things (`greenlets.py`).

Threads cost more than the reads themselves: after each round trip a thread waits for Python's lock again.
"""

import asyncio
from functools import partial
from typing import Any, Final, Self

import psycopg
import sqlalchemy as sa
from psycopg import waiting

from souche.db.engines import unused
from souche.db.engines.elements import PLAN_EACH
from souche.db.engines.greenlets import is_in_greenlet, wait_for

LOCK_SECONDS: Final = 30
IDLE_SECONDS: Final = 10
CONNECT_SECONDS: Final = 10
# Give up a silent host sooner than a waiting writer (LOCK_SECONDS). Keepalives detect it while we wait for an answer,
# tcp_user_timeout (in milliseconds) while sent data is unacknowledged:
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
SILENCE: Final = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
CONNECTIONS_KEPT: Final = 8  # by each engine
UNLIMITED: Final = -1  # the number of threads limits the connections in use
WAIT_SECONDS: Final = 0.1  # as psycopg: between two checks for a signal

# The server ends an idle transaction, because it holds the lock. It also ends the session of a silent host and frees
# its locks: by default, its keepalives begin after two hours. Committed data is on the medium. Time limits that the
# server or the role sets for other programs do not apply: migrations take long, and sessions wait for notifications.
# (`transaction_timeout` is known from version 17 on.) Parallel workers start slower than a read takes, and a plan that
# counts on them reads a whole table where an index has few rows.
SESSION: Final = f"""
    SET lock_timeout = '{LOCK_SECONDS}s';
    SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s';
    SET tcp_keepalives_idle = {SILENCE["keepalives_idle"]};
    SET tcp_keepalives_interval = {SILENCE["keepalives_interval"]};
    SET tcp_keepalives_count = {SILENCE["keepalives_count"]};
    SET tcp_user_timeout = {SILENCE["tcp_user_timeout"]};
    SET max_parallel_workers_per_gather = 0;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SELECT set_config(name, '0', false) FROM pg_settings
    WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_session_timeout')
"""  # noqa: S608  constants


class Cursor(psycopg.Cursor[Any]):
    """Prepares statements that were executed some times, but not those that are planned for each execution. For them
    the server would soon keep one plan for all values: for rare product codes it took 200 times as long."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        if isinstance(query, str) and PLAN_EACH.text in query:
            options["prepare"] = False
        return super().execute(query, params, **options)


class Connection(psycopg.Connection[Any]):
    """A connection for threads and for the event loop."""

    @classmethod
    def connect(cls, *arguments: Any, **options: Any) -> Self:
        """For the event loop, a thread opens it: psycopg looks up names, which blocks."""
        opened = partial(super().connect, *arguments, **options)
        return wait_for(asyncio.to_thread(opened)) if is_in_greenlet() else opened()

    def wait(self, gen: Any, interval: float = WAIT_SECONDS, timeout: float | None = None) -> Any:
        """Run one of psycopg's generators, which yields when it needs the server."""
        if not is_in_greenlet():
            return super().wait(gen, interval, timeout)
        try:
            return wait_for(waiting.wait_async(gen, self.pgconn.socket, interval, timeout))
        except asyncio.CancelledError:
            self.close()  # the answer has not been read
            raise


def engine(url: sa.URL, isolation_level: Any, **options: Any) -> sa.Engine:
    """A pool of connections."""
    made = sa.create_engine(
        url,
        connect_args={"connect_timeout": CONNECT_SECONDS, "cursor_factory": Cursor, **SILENCE},
        isolation_level=isolation_level,
        pool_size=CONNECTIONS_KEPT,
        max_overflow=UNLIMITED,
        hide_parameters=True,
        **options,
    )
    made.dialect.use_insertmanyvalues_wo_returning = True  # one INSERT for many rows, not one for each
    sa.event.listen(made, "do_connect", _connect)
    sa.event.listen(made, "connect", _set_up)
    unused.check(made)  # a restart of the server fails no request
    return made


def _connect(_dialect: object, _record: object, arguments: Any, options: Any) -> Connection:
    return Connection.connect(*arguments, **options)


def _set_up(connection: Connection, _record: object) -> None:
    connection.execute(SESSION)
    connection.commit()
