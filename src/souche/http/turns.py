"""Decides which request gets a thread: accounts take turns, and no account holds all threads.

A request blocks its thread while it waits for a disk, a lock, a workflow or a remote server. With a single pool, an
account with as many slow requests would block everyone else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol, Self, TypeVar

from souche.api.protocol.request_errors import RETRY_SECONDS, TooManyRequests

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Bounds:
    """How many requests run at the same time, in total and per account; and how many of one account may wait for a
    thread, for how many seconds."""

    threads: int
    most_each: int
    most_waiting: int
    most_seconds: float


@dataclass
class _Account:
    held: int = 0
    last_turn: int = 0
    waiting: dict[asyncio.Future[None], None] = field(default_factory=dict)
    """in the order of arrival"""

    def first(self) -> asyncio.Future[None] | None:
        """The next turn. Expired and cancelled ones stay here until the event loop removes them."""
        return next((turn for turn in self.waiting if not turn.done()), None)


class Run(Protocol):
    """Runs work, and returns or raises its result."""

    def __call__(self, work: Callable[[], Answer]) -> Awaitable[Answer]: ...


class Turns:
    """A pool of threads, or of other places where work runs. The next free one goes to the account that holds the
    fewest; among these, to the one whose last turn began the longest ago; an account's own requests keep their order.
    Used on one event loop only."""

    def __init__(self, bounds: Bounds, run: Run) -> None:
        self._bounds = bounds
        self._run = run
        self._free = bounds.threads
        self._accounts: dict[str, _Account] = {}
        self._numbers = count(1)

    @classmethod
    def of_threads(cls, name: str, bounds: Bounds) -> Self:
        """A pool of threads."""
        threads = ThreadPoolExecutor(bounds.threads, name)

        def run(work: Callable[[], Answer]) -> Awaitable[Answer]:
            return asyncio.get_running_loop().run_in_executor(threads, work)

        return cls(bounds, run)

    async def run(self, account_id: str, work: Callable[[], Answer]) -> Answer:
        """Run the work of an account, and return or raise its result.

        Raises:
            TooManyRequests: too many requests of the account are waiting, or this one waited too long.
        """
        await self._take(account_id)
        try:
            return await self._run(work)
        finally:
            self._give_back(account_id)

    async def _take(self, account_id: str) -> None:
        account = self._accounts.setdefault(account_id, _Account())
        if self._free and not account.waiting and account.held < self._bounds.most_each:
            self._begin(account)
            return
        if len(account.waiting) >= self._bounds.most_waiting:
            raise TooManyRequests(seconds=RETRY_SECONDS)
        turn = asyncio.get_running_loop().create_future()
        account.waiting[turn] = None
        expiry = asyncio.get_running_loop().call_later(self._bounds.most_seconds, _expire, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the turn came too late for its request
                self._give_back(account_id)
            raise
        finally:
            expiry.cancel()
            account.waiting.pop(turn, None)
            self._forget_if_idle(account_id)

    def _give_back(self, account_id: str) -> None:
        self._accounts[account_id].held -= 1
        self._free += 1
        while self._free and (following := self._next()):
            account, turn = following
            del account.waiting[turn]
            self._begin(account)
            turn.set_result(None)
        self._forget_if_idle(account_id)

    def _begin(self, account: _Account) -> None:
        account.held += 1
        account.last_turn = next(self._numbers)
        self._free -= 1

    def _next(self) -> tuple[_Account, asyncio.Future[None]] | None:
        free = [
            (account, turn)
            for account in self._accounts.values()
            if account.held < self._bounds.most_each and (turn := account.first())
        ]
        return min(free, key=lambda each: (each[0].held, each[0].last_turn), default=None)

    def _forget_if_idle(self, account_id: str) -> None:
        account = self._accounts.get(account_id)
        if account and not account.held and not account.waiting:
            del self._accounts[account_id]


def _expire(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_exception(TooManyRequests(seconds=RETRY_SECONDS))
