"""One query for all who wait for its result."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class SharedResults(Generic[Result]):
    """Asks one question at a time. Callers that wait at the start of the question get its answer; later callers get the
    next one. So each answer is newer than the wait for it. Used on one event loop at a time."""

    def __init__(self, ask: Callable[[], Awaitable[Result]]) -> None:
        self._ask = ask
        self._waiting: list[asyncio.Future[Result]] = []
        self._is_asking = False

    async def next(self) -> Result:
        """The next answer. Raises as the question does."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append(future)
        if not self._is_asking:
            self._is_asking = True
            self._task = loop.create_task(self._answer())
        return await future

    async def _answer(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                await _settle(asked, self._ask)
        finally:
            self._is_asking = False


async def _settle(asked: list[asyncio.Future[Result]], ask: Callable[[], Awaitable[Result]]) -> None:
    try:
        result = await ask()
    except Exception as error:
        for future in asked:
            if not future.done():
                future.set_exception(error)
    else:
        for future in asked:
            if not future.done():
                future.set_result(result)
