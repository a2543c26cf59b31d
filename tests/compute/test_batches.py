"""Callers that come together are served together."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from souche.compute.libvirt.batches import Batches
from tests.support.polling import eventually

CALLERS = 20


def test_who_comes_while_a_batch_is_at_work_joins_the_next_one() -> None:
    batches: list[list[int]] = []
    begun, free = threading.Event(), threading.Event()

    def work(items: Sequence[int]) -> dict[int, Exception]:
        batches.append(list(items))
        begun.set()
        assert free.wait(10)
        return {}

    tried: Batches[int] = Batches(work)
    with ThreadPoolExecutor(CALLERS + 1) as threads:
        first = threads.submit(tried.do, 0)
        assert begun.wait(10)
        others = [threads.submit(tried.do, number) for number in range(1, CALLERS)]
        eventually(lambda: len(tried._waiting) == CALLERS - 1)
        free.set()
        for each in (first, *others):
            each.result(10)
    assert [sorted(batch) for batch in batches] == [[0], list(range(1, CALLERS))]


def test_an_error_of_one_is_raised_to_that_one() -> None:
    def work(items: Sequence[int]) -> dict[int, Exception]:
        return {place: ValueError(str(item)) for place, item in enumerate(items) if item < 0}

    batches: Batches[int] = Batches(work)
    batches.do(1)
    with pytest.raises(ValueError, match="-1"):
        batches.do(-1)


def test_what_the_work_raises_is_raised_to_the_caller() -> None:
    def work(_items: Sequence[int]) -> dict[int, Exception]:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        Batches(work).do(1)
