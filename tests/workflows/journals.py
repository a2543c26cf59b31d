"""Journals that make trouble at a step: it is done twice, or it fails."""

from collections.abc import Callable
from dataclasses import dataclass

from souche.workflows.attempts import attempt


def _no_pause(seconds: float) -> None:
    """Tests do not wait."""


@dataclass
class Twice:
    """What one step does is done twice, as after a crash before its result was remembered; `between` comes between."""

    step: str
    between: Callable[[], None] = lambda: None

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        if name == self.step:
            assert attempt(action, until_success=until_success, pause=_no_pause) is None
            self.between()
        return attempt(action, until_success=until_success, pause=_no_pause)


@dataclass
class Failing:
    """One step fails, before or after its work was wholly done: for good, or once if it is tried until it
    succeeds. Every undo is done twice."""

    step: str
    error: Exception
    after_work: bool
    undone: int = 0

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        if name == self.step:
            return attempt(self._failing(action, until_success), until_success=until_success, pause=_no_pause)
        if name == "failed" or name.startswith("undo "):
            self.undone += 1
            attempt(action, until_success=until_success, pause=_no_pause)
        return attempt(action, until_success=until_success, pause=_no_pause)

    def _failing(self, action: Callable[[], None], once: bool) -> Callable[[], None]:  # noqa: FBT001
        fails = True

        def act() -> None:
            nonlocal fails
            if not fails:
                action()
                return
            if self.after_work:
                action()
            fails = not once
            raise self.error

        return act
