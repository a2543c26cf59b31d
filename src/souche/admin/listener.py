"""Who is told of an action's progress."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[str, int, int | None], None]
"""Told what is being done, and the bytes done and in all (None: not known yet)."""

Step: TypeAlias = Callable[[str, float], None]
"""Told what is being done, and how much is done (0 to 1)."""


@dataclass(frozen=True)
class Listener:
    """Hears of progress; by default nobody does. `check` is called while an action only waits: it raises where the
    command that asked is gone, and the work goes on without it."""

    transfer: OnProgress = lambda _what, _done, _total: None
    step: Step = lambda _what, _done: None
    check: Callable[[], None] = lambda: None


NOBODY = Listener()
