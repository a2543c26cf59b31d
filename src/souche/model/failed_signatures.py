"""The lock against guessing secrets.

Source: reference section 1: after 4 failures in a row with one key it is locked for 1 minute, and for 1 minute more
after each further 4, up to 10.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FAILURES_PER_LOCK: Final = 4
LONGEST_LOCK: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class Failures:
    """The consecutive wrong signatures of one access key."""

    count: int = 0
    locked_until: datetime | None = None

    def seconds_locked(self, now: datetime) -> int:
        """For how many more seconds the key is locked; 0: it is not."""
        if self.locked_until is None or self.locked_until <= now:
            return 0
        return int((self.locked_until - now).total_seconds()) + 1

    def and_another(self, now: datetime) -> "Failures":
        """After one more failure."""
        count = self.count + 1
        locks, rest = divmod(count, FAILURES_PER_LOCK)
        locked_until = now + min(timedelta(minutes=locks), LONGEST_LOCK) if rest == 0 else self.locked_until
        return Failures(count, locked_until)
