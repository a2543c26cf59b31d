"""Failed signatures by access key; they lock a key that is being guessed (`model/failed_signatures.py`).

If one process serves the region they are counted in its memory; if several may, in the database
(`app/failed_signatures.py`).
"""

import threading
from collections import OrderedDict
from datetime import datetime
from typing import Final, Protocol

from souche.model.failed_signatures import Failures

KEYS_REMEMBERED: Final = 10_000
NONE: Final = Failures()


class Attempts(Protocol):
    """Counts the failures of access keys."""

    def of(self, access_key_id: str) -> Failures:
        """The failures of a key. Every request asks: be fast."""
        ...

    def failed(self, access_key_id: str, now: datetime) -> int:
        """Count a failure, unless the key was locked since `of`. Returns for how many seconds more it is locked; 0: it
        was counted."""
        ...

    def forget(self, access_key_id: str, now: datetime) -> int:
        """Forget a key's failures, unless it was locked since `of`. Returns for how many seconds more it is locked; 0:
        they are forgotten."""
        ...


class RememberedAttempts:
    """In the memory of this process."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, Failures] = OrderedDict()
        self._mutex = threading.Lock()

    def of(self, access_key_id: str) -> Failures:
        return self._failures.get(access_key_id, NONE)

    def failed(self, access_key_id: str, now: datetime) -> int:
        """If there are too many keys, those that failed longest ago are forgotten."""
        with self._mutex:
            failures = self.of(access_key_id)
            if seconds := failures.seconds_locked(now):
                return seconds
            self._failures[access_key_id] = failures.and_another(now)
            self._failures.move_to_end(access_key_id)
            while len(self._failures) > KEYS_REMEMBERED:
                self._failures.popitem(last=False)
        return 0

    def forget(self, access_key_id: str, now: datetime) -> int:
        with self._mutex:
            if seconds := self.of(access_key_id).seconds_locked(now):
                return seconds
            self._failures.pop(access_key_id, None)
        return 0
