"""Failed signatures by access key, which lock a key that is guessed (`model/failed_signatures.py`).

Where one process serves the region they are counted in its memory, and in the database where several may
(`app/failed_signatures.py`).
"""

import threading
from collections import OrderedDict
from datetime import datetime
from typing import Final, Protocol

from souche.model.failed_signatures import Failures

KEYS_REMEMBERED: Final = 10_000


class Attempts(Protocol):
    """Counts the failures of access keys."""

    def seconds_locked(self, access_key_id: str, now: datetime) -> int:
        """For how many seconds more the key is locked; 0 when it is not."""
        ...

    def failed(self, access_key_id: str, now: datetime) -> None:
        """Count a failure."""
        ...

    def succeeded(self, access_key_id: str) -> None:
        """Forget a key's failures."""
        ...


class RememberedAttempts:
    """In the memory of this process."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, Failures] = OrderedDict()
        self._mutex = threading.Lock()

    def seconds_locked(self, access_key_id: str, now: datetime) -> int:
        failures = self._failures.get(access_key_id)
        return 0 if failures is None else failures.seconds_locked(now)

    def failed(self, access_key_id: str, now: datetime) -> None:
        """The keys that failed longest ago are forgotten when there are too many."""
        with self._mutex:
            failures = self._failures.get(access_key_id, Failures())
            self._failures[access_key_id] = failures.and_another(now)
            self._failures.move_to_end(access_key_id)
            while len(self._failures) > KEYS_REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, access_key_id: str) -> None:
        if access_key_id in self._failures:
            with self._mutex:
                self._failures.pop(access_key_id, None)
