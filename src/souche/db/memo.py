"""What was read from the database, kept in memory until anything is committed to it.

SQLite tells one connection whether any other, of this process or of another, has committed since it last asked
(https://www.sqlite.org/pragma.html#pragma_data_version): a few microseconds, where a page of images takes a
millisecond. What was read before a commit is thereby never told after it.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

import sqlalchemy as sa

Kept = TypeVar("Kept")

MOST_BYTES: Final = 16 * 1024 * 1024


class Memo:
    """Keeps values by key. Threads may share it. Of a database that does not tell its version it keeps nothing."""

    def __init__(self, engine: sa.Engine, most_bytes: int = MOST_BYTES) -> None:
        self._engine = engine
        self._most_bytes = most_bytes
        self._mutex = threading.Lock()
        self._watcher: Any = None
        self._version: object = None
        self._values: dict[Hashable, Any] = {}
        self._bytes = 0

    def version(self) -> object:
        """The version of what is committed: another one after each commit; None when it cannot be told.

        To be asked before the reading whose result is to be kept: a commit in between then makes that result old.
        """
        with self._mutex:
            return self._look()

    def get(self, key: Hashable) -> Any:
        """What was kept under the key, when nothing was committed since; else None."""
        with self._mutex:
            return self._values.get(key) if self._look() is not None else None

    def put(self, key: Hashable, value: object, version: object, size: int) -> None:
        """Keep a value that was read at `version` and takes about `size` bytes. The oldest make room.

        What is committed by now need not be asked: whoever gets the value asks.
        """
        with self._mutex:
            if version is None or version != self._version or size > self._most_bytes:
                return
            if self._bytes + size > self._most_bytes:
                self._forget()
            self._values[key] = value
            self._bytes += size

    def of(self, key: Hashable, size: int, read: Callable[[], Kept]) -> Kept:
        """What is kept under the key; else what `read` gives, which is kept. `read` gives no None."""
        with self._mutex:
            version = self._look()
            if key in self._values:
                kept: Kept = self._values[key]
                return kept
        value = read()
        self.put(key, value, version, size)
        return value

    def close(self) -> None:
        """Let go of the database; nothing is kept from here on."""
        with self._mutex:
            self._forget()
            if self._watcher is not None:
                self._watcher.close()
            self._watcher = None
            self._version = None

    def _look(self) -> object:
        """The version now. What was kept at an earlier one is forgotten."""
        if self._engine.dialect.name != "sqlite":
            return None
        if self._watcher is None:
            self._watcher = self._watch()
        version = self._watcher.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._forget()
            self._version = version
        return self._version

    def _watch(self) -> Any:
        """A connection of its own that never writes: the pragma does not tell of a connection's own commits."""
        connection = self._engine.raw_connection()
        connection.detach()
        return connection.dbapi_connection

    def _forget(self) -> None:
        self._values.clear()
        self._bytes = 0
