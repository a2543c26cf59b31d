"""What was read from the database, kept in memory until anything is committed to it.

The database tells whether any transaction, of this process or of another, was committed since it was asked last
(`Database.change_mark`). What was read before a commit is thereby never told after it.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

Kept = TypeVar("Kept")

MOST_BYTES: Final = 16 * 1024 * 1024


class Memo:
    """Keeps values by key. Threads may share it."""

    def __init__(self, change_mark: Callable[[], Hashable], most_bytes: int = MOST_BYTES) -> None:
        """`change_mark` is the database's. Only this object may ask it."""
        self._change_mark = change_mark
        self._most_bytes = most_bytes
        self._mutex = threading.Lock()
        self._version: Hashable = None
        self._values: dict[Hashable, Any] = {}
        self._bytes = 0

    def version(self) -> Hashable:
        """The version of what is committed: another one after each commit.

        To be asked before the reading whose result is to be kept: a commit in between then makes that result old.
        """
        with self._mutex:
            return self._look()

    def get(self, key: Hashable) -> Any:
        """What was kept under the key, when nothing was committed since; else None."""
        with self._mutex:
            self._look()
            return self._values.get(key)

    def put(self, key: Hashable, value: object, version: Hashable, size: int) -> None:
        """Keep a value that was read at `version` and takes about `size` bytes. The oldest make room.

        What is committed by now need not be asked: whoever gets the value asks.
        """
        with self._mutex:
            if version != self._version or size > self._most_bytes:
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
        """Forget everything."""
        with self._mutex:
            self._forget()
            self._version = None

    def _look(self) -> Hashable:
        """The version now. What was kept at an earlier one is forgotten."""
        version = self._change_mark()
        if version != self._version:
            self._forget()
            self._version = version
        return self._version

    def _forget(self) -> None:
        self._values.clear()
        self._bytes = 0
