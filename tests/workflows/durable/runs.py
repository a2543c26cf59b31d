"""Workflows of tests under DBOS, and a log of their steps."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dbos import DBOS

from souche.db import operations
from souche.errors import (
    StorageFailed,
)
from souche.model.operations import Operation, RawParams
from souche.model.workers import Worker
from souche.operations.vms import CreateVm
from souche.workflows import engine
from souche.workflows.durable import DurableWorkflows, as_it_is
from souche.workflows.engine import Ending, Lane, Step, Workflow
from tests.support.polling import eventually
from tests.workflows.world import World


@dataclass
class Log:
    """What the workflows of these tests have done."""

    done: list[str] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    def step(self, name: str) -> Step:
        return Step(name, lambda _parts, operation: self.done.append(f"{operation.subject_id} {name}"))

    def waiting(self, _parts: object, _operation: object) -> None:
        assert self.hold.wait(60)

    def failing(self, _parts: object, _operation: object) -> None:
        if not self.hold.is_set():
            raise StorageFailed(reason="injected")


@contextmanager
def running(
    world: World,
    log: Log,
    through: Callable[[engine.Journal], engine.Journal] = as_it_is,
    *,
    launch: bool = True,
) -> Iterator[DurableWorkflows]:
    catalogue: engine.Catalogue = {
        "short": Workflow(RawParams, (log.step("first"), log.step("second"))),
        "long": Workflow(RawParams, (log.step("first"), Step("wait", log.waiting), log.step("second"))),
        "broken": Workflow(RawParams, (log.step("first"), Step("wait", log.failing), log.step("second"))),
        "create_vm": Workflow(CreateVm, (log.step("only"),), ending=Ending()),
        "guest": Workflow(RawParams, (log.step("only"),), lane=Lane.GUESTS),
        "unjournalled": Workflow(RawParams, (log.step("first"), log.step("second")), ending=Ending()),
        "long unjournalled": Workflow(
            RawParams, (log.step("first"), Step("wait", log.waiting)), ending=Ending()
        ),
    }
    workflows = DurableWorkflows(world.home / "journal.sqlite", catalogue, world.parts, "test", through)
    try:
        if launch:
            workflows.launch()
        yield workflows
    finally:
        workflows.close()


def add(
    world: World,
    workflow: str,
    subject_id: str,
    *locks: str,
    account_id: str = "alice",
    worker: Worker | None = None,
) -> Operation:
    operation = Operation(f"{workflow}:{subject_id}", workflow, subject_id, RawParams({}), account_id)
    with world.region.store.begin() as connection:
        operations.insert_all(connection, [(operation, locks)], world.parts.clock.now(), worker)
    return operation


def sweep_until_done(world: World, workflows: DurableWorkflows) -> None:
    """Revive, as a region does every few seconds, until nothing is outstanding. The thread of an operation that broke
    off may still be ending at the first time."""

    def is_done() -> bool:
        workflows.revive()
        return world.outstanding() == []

    eventually(is_done)


def status(operation: Operation) -> str | None:
    found = DBOS.get_workflow_status(operation.operation_id)
    return found.status if found else None


class FailsOnce:
    """A journal whose medium fails once, when the second step is done and not remembered."""

    def __init__(self, under: engine.Journal) -> None:
        self._under = under
        self._broken = True

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        if name == "second" and self._broken:
            self._broken = False
            action()
            raise OSError("disk full")
        return self._under.once(name, action, until_success=until_success)
