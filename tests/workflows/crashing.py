"""Kills a region's process for real in the middle of a workflow, and starts it again: a program of its own, since it
forks, and a process with threads should not.

    python -m tests.workflows.crashing CASES

CASES is a JSON file: a list of `[home, step, moment, failing step or null]`. In each home an operation is requested. A
first process begins it and is killed by SIGKILL at that moment of that step; a second one starts in the same home
and ends when nothing is outstanding any more. The failing step fails in both.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import structlog

from souche.errors import StorageFailed
from souche.reconcile import leftovers
from souche.workflows import engine
from souche.workflows.catalogue import CATALOGUE
from souche.workflows.durable import DurableWorkflows
from tests.support.polling import eventually
from tests.workflows.world import Qcow2Disks, assemble

Moment = Literal["before", "done", "remembered"]

AT_ONCE = 10
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Case:
    """Where a process is killed: before a step, when its work is done and not remembered, or when it is. One step
    may fail."""

    home: Path
    step: str
    moment: Moment
    failing: str | None


@dataclass(frozen=True)
class Deadly:
    """A journal whose step fails, and that kills its own process where it is `deadly`."""

    case: Case
    deadly: bool
    journal: engine.Journal

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        def act() -> None:
            if name == self.case.failing:
                raise StorageFailed(reason="injected")
            action()
            self._die(name, "done")

        self._die(name, "before")
        reason = self.journal.once(name, act, until_success=until_success)
        self._die(name, "remembered")
        return reason

    def _die(self, name: str, moment: Moment) -> None:
        if self.deadly and (name, moment) == (self.case.step, self.case.moment):
            os.kill(os.getpid(), signal.SIGKILL)


def live(case: Case, *, deadly: bool) -> None:
    """One life of the region's process: a deadly one ends by its kill; another one when all operations are done and
    leftovers are removed."""
    world = assemble(case.home, Qcow2Disks(case.home), seed=3)
    # At a start, disks without a record mean that the records are of another time: no crash may leave any.
    assert leftovers.unrecorded_disks(world.parts.store, world.parts.volumes).all() == frozenset()
    through = partial(Deadly, case, deadly)
    workflows = DurableWorkflows(case.home / "journal.sqlite", CATALOGUE, world.parts, "test", through)
    workflows.launch()
    if deadly:
        threading.Event().wait(TIMEOUT_SECONDS)
    eventually(lambda: world.outstanding() == [], TIMEOUT_SECONDS)
    leftovers.remove(world.parts)
    world.parts.volumes.collect()


def fork(case: Case, *, deadly: bool) -> int:
    """A child that lives one life; returns its process id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            live(case, deadly=deadly)
            status = 0
        finally:
            os._exit(status)
    return child


def batches(cases: Sequence[Case]) -> Iterator[list[Case]]:
    left = iter(cases)
    while batch := list(islice(left, AT_ONCE)):
        yield batch


def main(path: Path) -> int:
    cases = [
        Case(Path(home), step, moment, failing)
        for home, step, moment, failing in json.loads(path.read_text())
    ]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    wrong = 0
    for batch in batches(cases):
        for deadly, expected in ((True, -signal.SIGKILL), (False, 0)):
            children = {fork(case, deadly=deadly): case for case in batch}
            for child, case in children.items():
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                if status != expected:
                    wrong += 1
                    sys.stdout.write(f"{case}: status {status}, not {expected}\n")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
