"""Caches of database reads. Each cache knows which values are still valid.

`CommitCache`: until the next commit. `VersionCache`: while a row keeps its version, regardless of other commits.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sized
from typing import Any, Final, Generic, TypeVar

Value = TypeVar("Value")
Text = TypeVar("Text", bound=Sized)
"""JSON, in a form that the cache does not know"""

COMMIT_CACHE_BYTES: Final = 16 * 1024 * 1024
VERSION_CACHE_BYTES: Final = 8 * 1024 * 1024

OVERHEAD_BYTES: Final = 300
"""approximate memory of a value in addition to its bytes"""


class CommitCache:
    """Values by key, until any process commits to the database. Threads may share it."""

    def __init__(self, change_mark: Callable[[], Hashable], most_bytes: int = COMMIT_CACHE_BYTES) -> None:
        """`change_mark`: `db/store.Store.change_mark`."""
        self._change_mark = change_mark
        self._most_bytes = most_bytes
        self._mutex = threading.Lock()
        self._mark: Hashable = None
        self._values: dict[Hashable, Any] = {}
        self._bytes = 0

    def mark(self) -> Hashable:
        """The database's change mark. Read it before the read whose result `put` gets: a commit between the two makes
        the result outdated."""
        with self._mutex:
            return self._look()

    def get(self, key: Hashable) -> Any:
        """The value of a key; None if there is none, or something was committed since."""
        with self._mutex:
            self._look()
            return self._values.get(key)

    def put(self, key: Hashable, value: object, mark: Hashable, size: int) -> None:
        """Keep a value that was read after `mark` and takes about `size` bytes. If there is no room, all others go."""
        with self._mutex:
            if mark != self._mark or size > self._most_bytes:
                return
            if self._bytes + size > self._most_bytes:
                self._clear()
            self._values[key] = value
            self._bytes += size

    def get_or_read(self, key: Hashable, size: int, read: Callable[[], Value]) -> Value:
        """The value of a key; if there is none, the one that `read` returns (not None), which is kept."""
        with self._mutex:
            mark = self._look()
            if key in self._values:
                kept: Value = self._values[key]
                return kept
        value = read()
        self.put(key, value, mark, size)
        return value

    def _look(self) -> Hashable:
        mark = self._change_mark()
        if mark != self._mark:
            self._clear()
            self._mark = mark
        return self._mark

    def _clear(self) -> None:
        self._values.clear()
        self._bytes = 0


class VersionCache(Generic[Text]):
    """Texts by the key and the version of a row. The caller has just read the version. Threads may share it."""

    def __init__(self, most_bytes: int = VERSION_CACHE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._mutex = threading.Lock()
        self._kept: OrderedDict[str, tuple[int, Text]] = OrderedDict()
        self._bytes = 0

    def get(self, versions: Iterable[tuple[str, int]]) -> dict[str, Text]:
        """The cached values of rows that still have the cached version, by key."""
        found: dict[str, Text] = {}
        with self._mutex:
            # While there is much room, to keep the order costs more than it saves.
            is_filling = self._bytes > self._most_bytes // 2
            for key, version in versions:
                kept = self._kept.get(key)
                if kept is not None and kept[0] == version:
                    found[key] = kept[1]
                    if is_filling:
                        self._kept.move_to_end(key)
        return found

    def put(self, key: str, version: int, value: Text) -> None:
        """Keep the value of a row at a version. If there is no room, those that were not used for the longest go."""
        with self._mutex:
            self._forget(key)
            self._kept[key] = (version, value)
            self._bytes += len(value) + OVERHEAD_BYTES
            while self._bytes > self._most_bytes:
                self._forget(next(iter(self._kept)))

    def _forget(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= len(kept[1]) + OVERHEAD_BYTES
