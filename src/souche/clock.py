"""Time, injected so that tests can hold it still."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The source of the current time."""

    def now(self) -> datetime:
        """The present, in UTC, with its time zone set, at millisecond precision."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        present = datetime.now(UTC)
        return present.replace(microsecond=present.microsecond // 1000 * 1000)
