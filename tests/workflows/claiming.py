"""A process that does operations, beside others on one database: a program of its own, as DBOS is one per process.

    python -m tests.workflows.claiming URL JOURNAL LOG

Each step adds a line to LOG: the operation's number, the step's, and the number of its process. This program's steps do
not end after that: it is there to be killed.
"""

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from souche.db.engines.postgresql import PostgreSql
from souche.db.store import Store
from souche.model.operations import Operation, RawParams
from souche.workflows import engine
from souche.workflows.durable import DurableWorkflows
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts
from tests.workflows.world import MemoryDisks, assemble

NOW: Final = datetime(2026, 11, 24, tzinfo=UTC)
TURN_SECONDS: Final = 0.02
LIFE_SECONDS: Final = 120.0


def operation(number: int) -> Operation:
    """Every other one has no journal."""
    kind = "unjournalled" if number % 2 else "journalled"
    return Operation(f"{kind}:{number}", kind, str(number), RawParams({}), "alice")


def catalogue(log: Path, before: Callable[[], object], after: Callable[[], object]) -> engine.Catalogue:
    """What is done around the line of each step."""

    def step(name: str) -> Step:
        def act(_parts: Parts, operation: Operation) -> None:
            before()
            with log.open("a") as file:
                file.write(f"{operation.subject_id} {name} {os.getpid()}\n")
            after()

        return Step(name, act)

    steps = (step("1"), step("2"))
    return {
        "journalled": Workflow(RawParams, steps),
        "unjournalled": Workflow(RawParams, steps, ending=engine.Ending()),
    }


def nothing() -> None:
    """A step does no more than its line."""


@contextmanager
def working(
    store: Store,
    journal: Path,
    log: Path,
    *,
    before: Callable[[], object] = nothing,
    after: Callable[[], object] = nothing,
) -> Iterator[DurableWorkflows]:
    with tempfile.TemporaryDirectory() as home:
        world = assemble(Path(home), MemoryDisks(), seed=1)
        parts = replace(world.parts, store=store)
        workflows = DurableWorkflows(journal, catalogue(log, before, after), parts, "test")
        try:
            workflows.launch()
            yield workflows
        finally:
            workflows.close()
            world.close()


def main(url: str, journal: str, log: str) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    killed = threading.Event()
    store = Store(PostgreSql(url))
    with working(store, Path(journal), Path(log), after=lambda: killed.wait(LIFE_SECONDS)) as workflows:
        for _ in range(int(LIFE_SECONDS / TURN_SECONDS)):
            killed.wait(TURN_SECONDS)
            workflows.start_outstanding()


if __name__ == "__main__":
    main(*sys.argv[1:])
