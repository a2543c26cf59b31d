"""The queue of a process's writers.

SQLite has no queue: who finds the database locked sleeps for up to 100 ms and tries again, and gets it only when nobody
else is quicker (https://www.sqlite.org/c3ref/busy_timeout.html). Of 64 writers some waited for 13 seconds while others
were through in 40 ms.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from souche.errors import WritersBusy


class Writers:
    """Lets one writer in at a time, in the order in which they came. Where requests and the work behind them both wait,
    they take turns: a thousand steps of workflows do not keep a request waiting, nor the other way round."""

    def __init__(self, most_seconds: float) -> None:
        self._most_seconds = most_seconds
        self._guard = threading.Lock()
        self._busy = False
        self._requests: deque[threading.Lock] = deque()
        self._work: deque[threading.Lock] = deque()
        self._request_is_next = True

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._requests) + len(self._work)

    @contextmanager
    def turn(self, *, request: bool) -> Iterator[None]:
        """Hold the only turn.

        Raises:
            WritersBusy: it did not come within `most_seconds`.
        """
        self._wait(self._requests if request else self._work)
        try:
            yield
        finally:
            self._leave()

    def _wait(self, queue: deque[threading.Lock]) -> None:
        with self._guard:
            if not self._busy:
                self._busy = True
                return
            ticket = threading.Lock()
            ticket.acquire()
            queue.append(ticket)
        if not ticket.acquire(timeout=self._most_seconds):
            self._give_up(queue, ticket)

    def _give_up(self, queue: deque[threading.Lock], ticket: threading.Lock) -> None:
        with self._guard:
            if ticket not in queue:  # the turn has come after all
                return
            queue.remove(ticket)
        raise WritersBusy(seconds=self._most_seconds)

    def _leave(self) -> None:
        """Hand the turn over: whoever comes at this moment is not let in before those who wait."""
        with self._guard:
            first, second = (
                (self._requests, self._work) if self._request_is_next else (self._work, self._requests)
            )
            queue = first or second
            if not queue:
                self._busy = False
                return
            self._request_is_next = queue is self._work
            queue.popleft().release()
