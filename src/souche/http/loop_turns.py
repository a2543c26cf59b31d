"""Decides which request is read next on the event loop: accounts take turns.

A read occupies the loop for some milliseconds. With first come, first served, an account with a hundred clients would
make every other account wait for a hundred reads.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


class LoopTurns:
    """Work on the event loop itself: one piece each time round, so that new requests are seen between two pieces, and
    accounts take turns. Used on one event loop only."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """by account, the next account first; per account in the order of arrival"""
        self._is_taken = False
        """whether this iteration of the event loop has already run a read"""

    async def run(self, account_id: str, work: Callable[[], Answer]) -> Answer:
        """Run the work of an account, and return or raise its result."""
        loop = asyncio.get_running_loop()
        if self._is_taken:
            turn = loop.create_future()
            self._waiting.setdefault(account_id, deque()).append(turn)
            await turn
        else:
            self._is_taken = True
            loop.call_soon(self._pass_on, loop)
        return work()

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        turn = self._next()
        if turn is None:
            self._is_taken = False
            return
        turn.set_result(None)
        loop.call_soon(self._pass_on, loop)

    def _next(self) -> asyncio.Future[None] | None:
        """The next turn. Cancelled ones are dropped."""
        while self._waiting:
            account_id = next(iter(self._waiting))
            turns = self._waiting.pop(account_id)
            turn = turns.popleft()
            if turns:
                self._waiting[account_id] = turns
            if not turn.done():
                return turn
        return None
