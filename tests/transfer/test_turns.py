"""Turns go to accounts by turns, and never are too many held."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from souche.transfer.turns import Turns

WAIT_SECONDS = 10.0


class Asked(Exception):
    """Called for a waiting one that was cancelled."""


class Worker:
    """Waits for a turn, and holds it until it is told to end."""

    def __init__(self, turns: Turns, account_id: str) -> None:
        self.has_turn, self.waits, self._may_end = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, args=(turns, account_id))
        self._thread.start()

    def _work(self, turns: Turns, account_id: str) -> None:
        with turns.turn(account_id, self._ask):
            self.has_turn.set()
            self._may_end.wait(WAIT_SECONDS)

    def _ask(self) -> None:
        self.waits.set()

    def end(self) -> None:
        self._may_end.set()
        self._thread.join(WAIT_SECONDS)


Start = Callable[[str], Worker]


@contextmanager
def workers(turns: Turns) -> Iterator[Start]:
    """Starts workers one after the other, each of which has its turn or waits; they end with the test."""
    with ExitStack() as stack:

        def start(account_id: str) -> Worker:
            worker = Worker(turns, account_id)
            stack.callback(worker.end)
            return worker

        yield start


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("souche.transfer.turns.ASK_SECONDS", 0.01)


def test_an_account_leaves_one_turn_to_others() -> None:
    with workers(Turns(3)) as start:
        first, second = start("a"), start("a")
        assert first.has_turn.wait(WAIT_SECONDS)
        assert second.has_turn.wait(WAIT_SECONDS)
        third = start("a")
        assert third.waits.wait(WAIT_SECONDS)
        other = start("b")
        assert other.has_turn.wait(WAIT_SECONDS)
        assert not third.has_turn.is_set()
        first.end()
        assert third.has_turn.wait(WAIT_SECONDS)


def test_the_account_that_holds_the_fewest_is_next() -> None:
    with workers(Turns(3)) as start:
        held = [start("a"), start("a"), start("b")]
        for worker in held:
            assert worker.has_turn.wait(WAIT_SECONDS)
        of_b, of_c = start("b"), start("c")
        assert of_b.waits.wait(WAIT_SECONDS)
        assert of_c.waits.wait(WAIT_SECONDS)
        held[0].end()
        assert of_c.has_turn.wait(WAIT_SECONDS)
        assert not of_b.has_turn.is_set()


def test_a_single_turn_goes_round_and_within_an_account_in_order() -> None:
    with workers(Turns(1)) as start:
        order = []
        for account_id in ("a", "a", "a", "b"):
            order.append(start(account_id))
            assert (order[0].has_turn if len(order) == 1 else order[-1].waits).wait(WAIT_SECONDS)
        first, second, third, other = order
        for ended, following in ((first, other), (other, second), (second, third)):
            ended.end()
            assert following.has_turn.wait(WAIT_SECONDS)


def test_what_is_raised_while_waiting_ends_the_wait_and_leaves_nothing() -> None:
    turns = Turns(1)

    def refuse() -> None:
        raise Asked

    with workers(turns) as start:
        holder = start("a")
        assert holder.has_turn.wait(WAIT_SECONDS)
        with pytest.raises(Asked), turns.turn("b", refuse):
            pytest.fail("had a turn that another holds")
        holder.end()
        assert start("a").has_turn.wait(WAIT_SECONDS)


def test_a_turn_ends_with_an_error() -> None:
    turns = Turns(1)
    with pytest.raises(Asked), turns.turn("a"):
        raise Asked
    with workers(turns) as start:
        assert start("b").has_turn.wait(WAIT_SECONDS)
