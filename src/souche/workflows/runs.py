"""The operations of this process, with a limit per account: accounts take turns.

`RUNS_PER_ACCOUNT` limits how many operations of one account run in a lane at the same time. Accounts share the limit of
`Lane.WORK`, so one account's large request takes no more than its share of the machine. An operation that pauses after
a failure does not count, so it delays no others.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from souche.model.operations import Operation
from souche.workflows.engine import Lane

RUNS_PER_ACCOUNT: Final[Mapping[Lane, int]] = {
    Lane.WORK: max(3, (os.cpu_count() or 1) + 1),
    Lane.GUESTS: 64,
    Lane.TRANSFERS: 64,
    Lane.FIREWALLS: 8,
}
"""of one account. On two cores, 60 launches take equally long with 3 and with 8; another account's concurrent launches
take half as long with 3."""
SHARED: Final = frozenset({Lane.WORK})
"""Lanes whose limit the accounts share; each account has at least one run."""
ACTIVE_SECONDS: Final = 2.0
"""An account keeps its share for this long after its last operation, for its next request."""
REMEMBERED: Final = 1000


@dataclass
class _Run:
    """An operation that runs. `thread` is that of its steps, once they have begun."""

    account_id: str
    lane: Lane
    thread: int | None = None
    pausing: bool = False


class Runs:
    """The operations that this process runs, those that the journal is about to resume, and the last that ended.
    `changed` is called when one has ended or pauses, because another may run then."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._guard = threading.Condition()
        self._running: dict[str, _Run] = {}
        self._entered: set[str] = set()
        self._resumed: set[str] = set()
        self._broken_off: set[str] = set()
        self._ended: deque[str] = deque(maxlen=REMEMBERED)
        self._seen: dict[str, float] = {}
        self._changed = changed

    def leave_to_journal(self, operation_ids: Iterable[str]) -> None:
        """Leave these operations to the journal, which resumes them."""
        with self._guard:
            self._resumed.update(operation_ids)

    def claim(self, operation: Operation, lane: Lane) -> bool:
        """Reserve an operation, unless this process runs it or has run it. Returns whether it was reserved."""
        with self._guard:
            if self._knows(operation.operation_id):
                return False
            self._running[operation.operation_id] = _Run(operation.account_id, lane)
            if lane in SHARED:
                self._seen[operation.account_id] = time.monotonic()
            return True

    def enter(self, operation_id: str) -> None:
        """Note that a thread of this process runs it. Its steps may have to wait."""
        with self._guard:
            self._entered.add(operation_id)

    def begin(self, operation: Operation, lane: Lane) -> None:
        """Note that its steps begin, in this thread."""
        with self._guard:
            known = self._running.setdefault(operation.operation_id, _Run(operation.account_id, lane))
            known.thread = threading.get_ident()

    def end(self, operation_id: str) -> None:
        """Note that it has ended, or was interrupted."""
        with self._guard:
            self._entered.discard(operation_id)
            self._running.pop(operation_id, None)
            self._ended.append(operation_id)
            self._guard.notify_all()
        self._changed()

    def break_off(self, operation_id: str) -> None:
        """Note that it stops without being done, whether or not the journal could record that."""
        with self._guard:
            self._broken_off.add(operation_id)

    def is_broken_off(self, operation_id: str) -> bool:
        """Whether it has ended in this process without being done, and was not resumed since."""
        with self._guard:
            return operation_id in self._broken_off

    def resume(self, operation_id: str) -> None:
        """Note that the journal resumes it."""
        with self._guard:
            self._broken_off.discard(operation_id)

    def forget(self, operation_id: str) -> None:
        """Forget an operation that was interrupted without a trace in the journal: it may start again."""
        with self._guard:
            if operation_id in self._broken_off:
                self._broken_off.discard(operation_id)
                with suppress(ValueError):  # no longer in the list
                    self._ended.remove(operation_id)

    def release(self, operation_id: str) -> None:
        """Note that it is unclaimed, or another worker's. If this process claims it again, it restarts."""
        with self._guard:
            self._resumed.discard(operation_id)
            self._broken_off.discard(operation_id)
            with suppress(ValueError):  # most were other processes'
                self._ended.remove(operation_id)

    def drop(self, operation_id: str) -> None:
        """Cancel a reservation: the operation was not started."""
        with self._guard:
            self._running.pop(operation_id, None)

    def free(self, account_id: str, lane: Lane) -> int:
        """The number of operations that the account may still start in the lane."""
        with self._guard:
            taken = sum(
                (each.account_id, each.lane, each.pausing) == (account_id, lane, False)
                for each in self._running.values()
            )
            bound = RUNS_PER_ACCOUNT[lane]
            if lane in SHARED:
                bound = max(1, bound // len(self._active() | {account_id}))
        return max(0, bound - taken)

    def _active(self) -> set[str]:
        """The accounts with work in a shared lane now, or a moment ago."""
        since = time.monotonic() - ACTIVE_SECONDS
        self._seen = {account_id: seen for account_id, seen in self._seen.items() if seen > since}
        running = (each for each in self._running.values() if each.lane in SHARED and not each.pausing)
        return {*self._seen, *(each.account_id for each in running)}

    def runs(self, operation_id: str) -> bool:
        """Whether it runs in this process, or waits here for its first step."""
        with self._guard:
            return operation_id in self._running or operation_id in self._entered

    def knows(self, operation_id: str) -> bool:
        """Whether this process must not start it: it already has, or the journal resumes it."""
        with self._guard:
            return self._knows(operation_id)

    def _knows(self, operation_id: str) -> bool:
        known = (self._running, self._entered, self._resumed, self._broken_off, self._ended)
        return any(operation_id in each for each in known)

    def wait(self, operation_id: str, timeout_seconds: float) -> bool:
        """Wait for the end of an operation. Returns whether it ended in time."""
        with self._guard:
            return self._guard.wait_for(lambda: operation_id in self._ended, timeout_seconds)

    def wait_for_another(self, timeout_seconds: float) -> None:
        """Wait until any operation has ended, or the time is over."""
        with self._guard:
            self._guard.wait(timeout_seconds)

    def pause(self, seconds: float) -> None:
        """Wait before a step is retried, without using one of the account's slots."""
        with self._guard:
            mine = next(
                (each for each in self._running.values() if each.thread == threading.get_ident()), None
            )
            if mine is not None:
                mine.pausing = True
        self._changed()
        time.sleep(seconds)
        with self._guard:
            if mine is not None:
                mine.pausing = False
