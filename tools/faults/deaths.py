"""The points where a life ends."""

import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from structlog.contextvars import get_contextvars

from souche.errors import StorageFailed
from souche.workflows import engine
from souche.workflows.catalogue import CATALOGUE

Kind = Literal["boundary", "operation", "start-up", "moment", "idle"]

FILE_EVENTS: Final = frozenset(
    {
        *("os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate"),
        *("os.chmod", "os.utime", "subprocess.Popen", "shutil.rmtree", "fcntl.flock"),
    }
)
"""Python's audit events for changes of files, and for starts of programs that change files"""


@dataclass(frozen=True)
class Death:
    """`boundary`: at the `count`-th boundary of a step, or with `point`, at that point of that workflow's step.
    `operation`, `start-up`: before the `count`-th change of a file, counted from the first request or from the
    beginning. `moment`: `count` milliseconds after the start-up. `idle`: when all work is done. A death that does not
    occur is replaced by another one (`Reaper.hasten`). `failing`: the step of this name fails each time, after its
    work."""

    kind: Kind
    count: int = 0
    point: tuple[str, str, str] | None = None
    failing: str | None = None


def points() -> list[tuple[str, str, str]]:
    """Every boundary of every step of every workflow: before the step, after its work, and after it is journalled."""
    return [
        (name, step, moment)
        for name, workflow in sorted(CATALOGUE.items())
        for step in engine.step_names(workflow)
        for moment in ("before", "done", "remembered")
    ]


def choose(source: random.Random) -> Death:
    """A random death."""
    kind = source.choices(("boundary", "operation", "start-up", "moment", "idle"), (30, 35, 15, 15, 5))[0]
    failing = None
    if kind != "start-up" and source.random() < 0.08:
        failing = source.choice(sorted({step.name for each in CATALOGUE.values() for step in each.steps}))
    match kind:
        case "boundary":
            return Death("boundary", source.randint(1, 24), failing=failing)
        case "operation":
            return Death("operation", source.randint(1, 80), failing=failing)
        case "start-up":
            return Death("start-up", source.randint(1, 40))
        case "moment":
            return Death("moment", source.randint(0, 250), failing=failing)
    return Death("idle", failing=failing)


class Reaper:
    """Kills this process at the chosen death, after it has reported it."""

    def __init__(self, death: Death | None, tell: Callable[[str], None]) -> None:
        self._death = death
        self._tell = tell
        self._counted = 0
        self._started = False
        self._guard = threading.Lock()
        if death is not None and death.kind in ("operation", "start-up"):
            sys.addaudithook(self._heed)

    def started(self) -> None:
        """Note that the start-up is complete."""
        self._started = True
        if self._death is not None and self._death.kind == "moment":
            timer = threading.Timer(self._death.count / 1000, self.kill, ["moment"])
            timer.daemon = True
            timer.start()

    def hasten(self, count: int) -> None:
        """The chosen death has not occurred: use the `count`-th boundary or change from now on."""
        death = self._death
        if death is not None and death.kind != "idle":
            kind: Kind = "operation" if death.kind == "operation" else "boundary"
            with self._guard:
                self._death = Death(kind, self._counted + count, failing=death.failing)

    def kill(self, how: str) -> None:
        """Kill this process, like `kill -9`."""
        self._tell(how)
        os.kill(os.getpid(), signal.SIGKILL)

    def meet(self, workflow: str, step: str, moment: str) -> None:
        """Note a boundary of a step."""
        death = self._death
        if death is None or death.kind != "boundary":
            return
        with self._guard:
            self._counted += 1
            if death.point == (workflow, step, moment) or (
                death.point is None and self._counted == death.count
            ):
                self.kill(f"boundary {workflow}/{step}/{moment}")

    def check_failing(self, step: str) -> None:
        """Note that a step's work is done.

        Raises:
            StorageFailed: this step must fail.
        """
        if self._death is not None and self._death.failing == step:
            raise StorageFailed(reason="injected")

    def _heed(self, event: str, _arguments: tuple[object, ...]) -> None:
        death = self._death
        if death is None or event not in FILE_EVENTS or death.kind not in ("operation", "start-up"):
            return
        if self._started != (death.kind == "operation"):
            return
        self._counted += 1
        if self._counted == death.count:
            self.kill(f"{death.kind} {event}")


class DeadlyJournal:
    """A journal that meets deaths at the boundaries of steps."""

    def __init__(self, reaper: Reaper, journal: engine.Journal) -> None:
        self._reaper = reaper
        self._journal = journal

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        workflow = _workflow()

        def act() -> None:
            action()
            self._reaper.meet(workflow, name, "done")
            if not until_success:
                self._reaper.check_failing(name)

        self._reaper.meet(workflow, name, "before")
        reason = self._journal.once(name, act, until_success=until_success)
        self._reaper.meet(workflow, name, "remembered")
        return reason


def _workflow() -> str:
    """The workflow that this thread runs: its name begins the operation's id, which the log context has."""
    return str(get_contextvars().get("operation")).partition(":")[0]
