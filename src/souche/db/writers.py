"""The queue of a process's writers.

SQLite has no queue: a writer that finds the database locked sleeps for up to 100 ms and retries, and others may be
faster each time (https://www.sqlite.org/c3ref/busy_timeout.html). Of 64 writers some waited for 13 seconds while others
finished in 40 ms.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from souche.errors import WritersBusy


class _Queue:
    """Tickets of those who wait. Accounts take turns; an account's own tickets keep their order."""

    def __init__(self) -> None:
        self._tickets: dict[str, deque[threading.Lock]] = {}
        """by account; the first account is next"""

    def __len__(self) -> int:
        return sum(map(len, self._tickets.values()))

    def __bool__(self) -> bool:
        return bool(self._tickets)

    def append(self, account_id: str, ticket: threading.Lock) -> None:
        self._tickets.setdefault(account_id, deque()).append(ticket)

    def pop(self) -> threading.Lock:
        """The next ticket; its account is the last from now on."""
        account_id, tickets = next(iter(self._tickets.items()))
        del self._tickets[account_id]
        ticket = tickets.popleft()
        if tickets:
            self._tickets[account_id] = tickets
        return ticket

    def remove(self, account_id: str, ticket: threading.Lock) -> bool:
        """Take a ticket back; whether it was still there."""
        tickets = self._tickets.get(account_id, deque())
        if ticket not in tickets:
            return False
        tickets.remove(ticket)
        if not tickets:
            del self._tickets[account_id]
        return True


class Writers:
    """Admits one writer at a time. If requests and workflows both wait, they take turns: a thousand steps of workflows
    do not delay a request, nor a thousand requests a step. The accounts of requests take turns too: an account with
    sixteen writes delays another by one of them. Within an account, writes run in the order of arrival."""

    def __init__(self, most_seconds: float) -> None:
        self._most_seconds = most_seconds
        self._guard = threading.Lock()
        self._busy = False
        self._requests = _Queue()
        self._work = _Queue()
        self._request_is_next = True

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._requests) + len(self._work)

    @contextmanager
    def turn(self, *, request: bool, account_id: str = "") -> Iterator[None]:
        """Hold the only turn, on behalf of an account if it is known.

        Raises:
            WritersBusy: it did not come within `most_seconds`.
        """
        self._wait(self._requests if request else self._work, account_id)
        try:
            yield
        finally:
            self._leave()

    def _wait(self, queue: _Queue, account_id: str) -> None:
        with self._guard:
            if not self._busy:
                self._busy = True
                return
            ticket = threading.Lock()
            ticket.acquire()
            queue.append(account_id, ticket)
        if not ticket.acquire(timeout=self._most_seconds):
            self._give_up(queue, account_id, ticket)

    def _give_up(self, queue: _Queue, account_id: str, ticket: threading.Lock) -> None:
        with self._guard:
            if not queue.remove(account_id, ticket):  # its turn came meanwhile
                return
        raise WritersBusy(seconds=self._most_seconds)

    def _leave(self) -> None:
        """Hand the turn over: a newcomer at this moment must not overtake those who wait."""
        with self._guard:
            first, second = (
                (self._requests, self._work) if self._request_is_next else (self._work, self._requests)
            )
            queue = first or second
            if not queue:
                self._busy = False
                return
            self._request_is_next = queue is self._work
            queue.pop().release()
