"""Listens to the progress of actions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with the current step, the bytes done and the total (None: unknown)."""

Step: TypeAlias = Callable[[str, float], None]
"""Called with the current step and the share done (0 to 1)."""


@dataclass(frozen=True)
class Listener:
    """Callbacks for progress; the defaults do nothing. `check` is called while an action waits. It raises if the
    command is gone; the work then continues without it."""

    transfer: OnProgress = lambda _what, _done, _total: None
    step: Step = lambda _what, _done: None
    check: Callable[[], None] = lambda: None


NOBODY = Listener()
