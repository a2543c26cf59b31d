"""Functions that wait without blocking the event loop, and questions that many wait for."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import pytest

from souche.db.engines.greenlets import Greenlets, is_in_greenlet, wait_for
from souche.db.shared_results import SharedResults


async def doubled(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def run(*works: Callable[[], object]) -> list[object]:
    async def main() -> list[object]:
        greenlets = Greenlets()
        return await asyncio.gather(*(greenlets.run(work) for work in works), return_exceptions=True)

    return asyncio.run(main())


def test_functions_take_turns_whenever_they_wait() -> None:
    seen: list[str] = []

    def work(name: str) -> int:
        seen.append(name)
        four = wait_for(doubled(2))
        seen.append(name)
        return wait_for(doubled(four))

    assert run(lambda: work("one"), lambda: work("two")) == [8, 8]
    assert seen == ["one", "two", "one", "two"]


def test_errors_come_through() -> None:
    async def failing() -> None:
        await asyncio.sleep(0)
        raise KeyError("awaited")

    def handling() -> str:
        try:
            wait_for(failing())
        except KeyError as error:
            return str(error)
        return ""

    def failed() -> None:
        raise ValueError("raised")

    found, error = run(handling, failed)
    assert found == "'awaited'"
    assert isinstance(error, ValueError)


def test_a_greenlet_is_used_again_also_after_an_error() -> None:
    def failed() -> None:
        raise ValueError

    async def main() -> set[object]:
        greenlets = Greenlets()
        used: set[object] = set()
        for work in (lambda: 1, failed, lambda: 2):
            with suppress(ValueError):
                await greenlets.run(work)
            used.update(greenlets._idle)
        return used

    assert len(asyncio.run(main())) == 1


def test_a_function_learns_that_its_task_is_cancelled() -> None:
    seen: list[str] = []

    def work() -> None:
        try:
            wait_for(asyncio.sleep(60))
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main() -> None:
        task = asyncio.create_task(Greenlets().run(work))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == ["cancelled"]


def test_each_thread_has_its_own() -> None:
    greenlets, seen = Greenlets(), []

    def work() -> None:
        seen.append((threading.get_ident(), is_in_greenlet()))

    for _ in range(2):
        thread = threading.Thread(target=lambda: asyncio.run(greenlets.run(work)))
        thread.start()
        thread.join()
    assert [inside for _, inside in seen] == [True, True]
    assert not is_in_greenlet()


class Questions:
    """Answers `1`, `2` and so on, each when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def ask(self) -> int:
        self.asked += 1
        number = self.asked
        await self.may_answer.wait()
        return number


def with_questions(test: Callable[[Questions, SharedResults[int]], Awaitable[None]]) -> None:
    async def main() -> None:
        questions = Questions()
        await test(questions, SharedResults(questions.ask))

    asyncio.run(main())


def test_one_question_serves_all_who_waited_before_it_was_asked() -> None:
    async def test(questions: Questions, results: SharedResults[int]) -> None:
        early = [asyncio.create_task(results.next()) for _ in range(3)]
        while not questions.asked:
            await asyncio.sleep(0)
        late = [asyncio.create_task(results.next()) for _ in range(3)]
        await asyncio.sleep(0)
        assert questions.asked == 1  # one at a time
        questions.may_answer.set()
        assert await asyncio.gather(*early, *late) == [1, 1, 1, 2, 2, 2]
        assert await results.next() == 3

    with_questions(test)


def test_who_goes_away_takes_nothing_from_the_others() -> None:
    async def test(questions: Questions, results: SharedResults[int]) -> None:
        gone, other = (asyncio.create_task(results.next()) for _ in range(2))
        while not questions.asked:
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        questions.may_answer.set()
        assert await other == 1

    with_questions(test)


def test_a_failure_is_told_to_all_and_the_next_question_is_asked() -> None:
    answers: Iterator[Exception | int] = iter([KeyError("first"), 2])

    async def ask() -> int:
        await asyncio.sleep(0)
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def main() -> None:
        results = SharedResults(ask)
        failed = await asyncio.gather(results.next(), results.next(), return_exceptions=True)
        assert all(isinstance(each, KeyError) for each in failed)
        assert await results.next() == 2

    asyncio.run(main())
