"""What a process has done since its start, counted for `GET /metrics`. Nothing of it is recorded."""

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
    """The counts at one moment. `operations`: those that have ended, by their workflow and their outcome.
    `exported_bytes`: data of disks that exports have read. `imported_bytes`: what imports have downloaded."""

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
        """The failure of this operation, which has not ended yet, is what its user asked for."""
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
        """So many bytes more were read for an export."""
        with self._lock:
            self._exported_bytes += more_bytes

    def imported(self, more_bytes: int) -> None:
        """So many bytes more were downloaded by an import."""
        with self._lock:
            self._imported_bytes += more_bytes

    def counts(self) -> Tallied:
        """What was counted so far."""
        with self._lock:
            return Tallied(dict(self._operations), self._exported_bytes, self._imported_bytes)
