"""Processes that are killed after each of their steps in turn."""

import os
import signal
import traceback
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeAlias

Step: TypeAlias = tuple[Any, str]
"""A function, by its module or class and its name."""


def is_killed(number: int, steps: Sequence[Step], run: Callable[[], object]) -> bool:
    """Run this in a forked process, which is killed when calls of the steps have returned `number` times. Whether it
    was killed; otherwise it has ended well."""
    child = os.fork()
    if child == 0:
        try:
            _kill_after(number, steps)
            run()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    ended = os.waitstatus_to_exitcode(status)
    assert ended in (0, -signal.SIGKILL), "see its traceback"
    return ended != 0


def _kill_after(number: int, steps: Sequence[Step]) -> None:
    returned = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal returned
            result = original(*arguments, **named)
            returned += 1
            if returned == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for owner, name in steps:
        setattr(owner, name, counted(getattr(owner, name)))
