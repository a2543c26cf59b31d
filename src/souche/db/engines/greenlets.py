"""Runs functions on an event loop, which does other things while they wait.

A function that is called in a greenlet can give the event loop something to wait for, and continues with its result
(https://greenlet.readthedocs.io). So the same code reads the database in threads and on the event loop. SQLAlchemy does
the same (`greenlet_spawn`), but makes a greenlet for each call: Python allocates a stack for each, which takes as long
as a round trip to the database.
"""

import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from greenlet import getcurrent, greenlet

Result = TypeVar("Result")

KEPT: Final = 32
"""greenlets that wait for work"""


class _Worker(greenlet):  # type: ignore[misc]  # it has no types
    """A greenlet that runs one function after another."""

    result: Any = None
    error: BaseException | None = None
    is_done = False

    def run(self, work: Callable[[], Any]) -> None:
        while True:
            try:
                self.result = work()
            except BaseException as error:
                self.error = error
            self.is_done = True
            work = self.parent.switch()

    def outcome(self) -> Any:
        """What the function returned or raised. The greenlet is ready for another one."""
        result, error = self.result, self.error
        self.result, self.error, self.is_done, self.gr_context = None, None, False, None
        if error is not None:
            raise error
        return result


class Greenlets(threading.local):
    """Greenlets of the event loop of each thread."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run a function, and return or raise its result. The function may call `wait_for`."""
        worker = self._idle.pop() if self._idle else _Worker()
        worker.gr_context = getcurrent().gr_context
        awaitable = worker.switch(work)
        while not worker.is_done:
            try:
                value = await awaitable
            except BaseException as error:
                awaitable = worker.throw(error)
            else:
                awaitable = worker.switch(value)
        if len(self._idle) < KEPT:
            self._idle.append(worker)
        result: Result = worker.outcome()
        return result


def is_in_greenlet() -> bool:
    """Whether the running function was called by `Greenlets.run`."""
    return type(getcurrent()) is _Worker


def wait_for(awaitable: Awaitable[Result]) -> Result:
    """Wait without blocking the event loop, in a function that was called by `Greenlets.run`."""
    result: Result = getcurrent().parent.switch(awaitable)
    return result
