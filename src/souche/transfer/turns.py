"""Accounts take turns at a limited resource, regardless of the number of their requests."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final

ASK_SECONDS: Final = 1.0


@dataclass(frozen=True, eq=False)
class _Ticket:
    account_id: str


class Turns:
    """At most `limit` turns are held. If that is more than one, an account leaves one to the others, so that they need
    not wait for it.

    The next turn goes to the account that holds the fewest; among these, to the one whose last turn began the longest
    ago; within an account, to the first request.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._most_each = max(1, limit - 1)
        self._changed = threading.Condition()
        self._waiting: list[_Ticket] = []
        self._held: Counter[str] = Counter()
        self._numbers = count(1)
        self._begun: Counter[str] = Counter()
        """by account, the number of its last turn"""

    @contextmanager
    def turn(self, account_id: str, ask: Callable[[], object] = lambda: None) -> Iterator[None]:
        """A turn of the account. While waiting, `ask` is called every second; if it raises, the wait ends."""
        self._wait(_Ticket(account_id), ask)
        try:
            yield
        finally:
            with self._changed:
                self._held[account_id] -= 1
                self._changed.notify_all()

    def _wait(self, ticket: _Ticket, ask: Callable[[], object]) -> None:
        with self._changed:
            self._waiting.append(ticket)
        try:
            while not self._taken(ticket):
                ask()
        except BaseException:
            with self._changed:
                self._waiting.remove(ticket)
                self._changed.notify_all()
            raise

    def _taken(self, ticket: _Ticket) -> bool:
        """Whether the ticket got a turn within `ASK_SECONDS`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._next() is ticket, ASK_SECONDS):
                return False
            self._waiting.remove(ticket)
            self._held[ticket.account_id] += 1
            self._begun[ticket.account_id] = next(self._numbers)
            self._changed.notify_all()
            return True

    def _next(self) -> _Ticket | None:
        if self._held.total() >= self._limit:
            return None
        free = [each for each in self._waiting if self._held[each.account_id] < self._most_each]
        return min(free, key=self._standing, default=None)

    def _standing(self, ticket: _Ticket) -> tuple[int, int]:
        return self._held[ticket.account_id], self._begun[ticket.account_id]
