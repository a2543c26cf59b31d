"""The mark of the last commit on PostgreSQL."""

import itertools
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any

import psycopg

_SNAPSHOT = b"SELECT pg_current_snapshot()::text"


class Openings:
    """Counts the connections that the watchers of a database have opened."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.number = 0

    def count(self) -> None:
        """One more was opened. Threads may call this."""
        self.number = next(self._numbers)


class Watcher:
    """Asks for marks, on a connection of its own. One at a time may use it. Watchers with the same `openings` give
    comparable marks.

    A mark is the transactions that a snapshot sees, which another one's commit changes, and the number of connections
    opened before. After a crash the server gives ids of uncommitted transactions again; after a failover or a restore,
    also those of lost commits. All end the connections.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], openings: Openings) -> None:
        self._connect = connect
        self._openings = openings
        self._connection: psycopg.Connection[Any] | None = None

    def mark(self) -> Hashable:
        """The mark: one round trip, 41 us measured. Connects again if the connection was lost: the server may have
        restarted. A host that does not answer is waited for once.

        Raises:
            psycopg.Error, sqlalchemy.exc.DBAPIError: the server does not answer.
        """
        if self._connection is not None:
            with suppress(psycopg.Error):
                return self._ask()
            self.close()
        try:
            return self._ask()
        except psycopg.Error:
            self.close()
            raise

    def _ask(self) -> Hashable:
        if self._connection is None:
            self._connection = self._connect()
            self._openings.count()
        number = self._openings.number
        row = self._connection.execute(_SNAPSHOT).fetchone()
        assert row is not None, "SELECT without FROM gives one row"
        return number, row[0]

    def close(self) -> None:
        """Close the connection. The next mark is another one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
