"""Counts of a process since its start, for `GET /metrics`. They are not recorded."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How an operation ended."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Tallied:
    """The counts at one moment. `operations`: ended ones, by workflow and outcome. `exported_bytes`: disk data read by
    exports. `imported_bytes`: downloaded by imports."""

    operations: Mapping[tuple[str, Outcome], int]
    exported_bytes: int
    imported_bytes: int


class Tally:
    """Counts from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._operations: Counter[tuple[str, Outcome]] = Counter()
        self._cancelled: set[str] = set()
        self._exported_bytes = 0
        self._imported_bytes = 0

    def cancelled(self, operation_id: str) -> None:
        """The user has cancelled this operation: its coming failure is no fault."""
        with self._lock:
            self._cancelled.add(operation_id)

    def ended(self, operation_id: str, workflow: str, *, failed: bool) -> None:
        """An operation has ended."""
        with self._lock:
            outcome = Outcome.FAILED if failed else Outcome.DONE
            if operation_id in self._cancelled:
                self._cancelled.discard(operation_id)
                outcome = Outcome.CANCELLED
            self._operations[workflow, outcome] += 1

    def exported(self, more_bytes: int) -> None:
        """Add bytes that an export has read."""
        with self._lock:
            self._exported_bytes += more_bytes

    def imported(self, more_bytes: int) -> None:
        """Add bytes that an import has downloaded."""
        with self._lock:
            self._imported_bytes += more_bytes

    def counts(self) -> Tallied:
        """The counts so far."""
        with self._lock:
            return Tallied(dict(self._operations), self._exported_bytes, self._imported_bytes)
