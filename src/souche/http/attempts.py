"""The lock against guessing secrets.

Source: reference section 1: after 4 failures in a row with one key it is locked for 1 minute, and for 1
minute more after each further 4, up to 10. Kept in memory, per process: several allow several times as much.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FAILURES_PER_LOCK: Final = 4
LONGEST_LOCK: Final = timedelta(minutes=10)
KEYS_REMEMBERED: Final = 10_000


@dataclass
class _Record:
    failures: int = 0
    locked_until: datetime | None = None


class Attempts:
    """Counts failures by access key id, known or not: a lock must not tell which keys exist."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._mutex = threading.Lock()

    def seconds_locked(self, access_key_id: str, now: datetime) -> int:
        """For how many seconds more the key is locked; 0 when it is not."""
        record = self._records.get(access_key_id)
        if record is None or record.locked_until is None or record.locked_until <= now:
            return 0
        return int((record.locked_until - now).total_seconds()) + 1

    def failed(self, access_key_id: str, now: datetime) -> None:
        """Count a failure. The keys that failed longest ago are forgotten when there are too many."""
        with self._mutex:
            record = self._records.setdefault(access_key_id, _Record())
            self._records.move_to_end(access_key_id)
            record.failures += 1
            locks, rest = divmod(record.failures, FAILURES_PER_LOCK)
            if rest == 0:
                record.locked_until = now + min(timedelta(minutes=locks), LONGEST_LOCK)
            while len(self._records) > KEYS_REMEMBERED:
                self._records.popitem(last=False)

    def succeeded(self, access_key_id: str) -> None:
        """Forget a key's failures."""
        if access_key_id in self._records:
            with self._mutex:
                self._records.pop(access_key_id, None)
