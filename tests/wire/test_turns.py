"""The threads that do requests: shared out by account, bounded in number and in time."""

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from functools import partial

import pytest

from souche.api.protocol.request_errors import TooManyRequests
from souche.http.turns import Bounds, Turns

FEW = Bounds(threads=3, most_each=2, most_waiting=4, most_seconds=10)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What the work of a slow account waits for."""
    gate = threading.Event()
    yield gate
    gate.set()


class Slow:
    """An account whose requests wait at a gate."""

    def __init__(self, turns: Turns, gate: threading.Event, account_id: str = "slow") -> None:
        self._turns, self._gate, self._account_id = turns, gate, account_id
        self.begun = 0

    def ask(self, times: int) -> list["asyncio.Task[bool]"]:
        return [asyncio.ensure_future(self._turns.run(self._account_id, self._wait)) for _ in range(times)]

    def _wait(self) -> bool:
        self.begun += 1
        return self._gate.wait(10)


async def soon(answer: Awaitable[object]) -> object:
    return await asyncio.wait_for(answer, 5)


def test_an_account_whose_requests_all_wait_leaves_threads_to_the_others(gate: threading.Event) -> None:
    async def main() -> None:
        turns = Turns.of_threads("test", FEW)
        slow = Slow(turns, gate)
        asked = slow.ask(6)
        assert await soon(turns.run("other", lambda: "answer")) == "answer"
        while slow.begun < FEW.most_each:  # the system starts threads in any order
            await asyncio.sleep(0.01)
        assert slow.begun == FEW.most_each
        gate.set()
        assert await soon(asyncio.gather(*asked)) == [True] * 6

    asyncio.run(main())


def test_the_next_thread_goes_to_the_account_that_holds_the_fewest(gate: threading.Event) -> None:
    order: list[str] = []

    async def main() -> None:
        turns = Turns.of_threads("test", Bounds(threads=1, most_each=1, most_waiting=10, most_seconds=10))
        held = Slow(turns, gate).ask(1)
        await asyncio.sleep(0)
        asked = [asyncio.ensure_future(turns.run(name, partial(order.append, name))) for name in "aaabc"]
        await asyncio.sleep(0)
        gate.set()
        await soon(asyncio.gather(*held, *asked))

    asyncio.run(main())
    assert order == ["a", "b", "c", "a", "a"]


def test_what_an_account_asks_beyond_its_bound_is_refused_at_once(gate: threading.Event) -> None:
    async def main() -> None:
        turns = Turns.of_threads("test", FEW)
        asked = Slow(turns, gate).ask(FEW.most_each + FEW.most_waiting)
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests):
            await soon(turns.run("slow", gate.wait))
        gate.set()
        await soon(asyncio.gather(*asked))
        assert await soon(turns.run("slow", lambda: "answer")) == "answer"

    asyncio.run(main())


def test_a_request_does_not_wait_for_ever_and_its_turn_is_not_lost(gate: threading.Event) -> None:
    async def main() -> None:
        turns = Turns.of_threads("test", Bounds(threads=1, most_each=1, most_waiting=10, most_seconds=0.05))
        asked = Slow(turns, gate).ask(1)
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests):
            await soon(turns.run("other", lambda: "late"))
        gate.set()
        await soon(asyncio.gather(*asked))
        assert await soon(turns.run("other", lambda: "answer")) == "answer"

    asyncio.run(main())


@pytest.mark.parametrize("begun", [False, True], ids=["while it waits", "as its turn comes"])
def test_a_request_that_is_given_up_leaves_its_turn_to_the_next(
    gate: threading.Event, *, begun: bool
) -> None:
    async def main() -> None:
        turns = Turns.of_threads("test", Bounds(threads=1, most_each=1, most_waiting=10, most_seconds=10))
        held = Slow(turns, gate).ask(1)
        await asyncio.sleep(0)
        given_up = asyncio.ensure_future(turns.run("other", lambda: "late"))
        await asyncio.sleep(0)
        if begun:
            held[0].add_done_callback(lambda _task: given_up.cancel())
        else:
            given_up.cancel()
        gate.set()
        await soon(asyncio.gather(*held))
        assert await soon(turns.run("third", lambda: "answer")) == "answer"

    asyncio.run(main())
