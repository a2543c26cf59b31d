"""Runs a workflow: a table of steps, each with a do and an undo.

The two laws that every workflow obeys, run mechanically over all of its steps by tests/workflows/laws.py:

1. doing any step twice equals doing it once (a journal may replay the step that a crash interrupted);
2. failing at any step leaves a clean world: the undo of that step and of all before it, in reverse order, and
   then the workflow's `failed` bring everything to where it was, or to a state that says "failed". An undo
   never assumes that its do finished.

The engine knows nothing of what journals it: a `Journal` runs one named step durably (DBOS in `dbos.py`) or
just runs it (`Unjournalled`, in tests and one-off commands).
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import structlog

from souche.db import operations
from souche.errors import SoucheError
from souche.model.operations import Operation
from souche.workflows.parts import Parts

INTERNAL_ERROR = "an internal error, see the log of the region"

log = structlog.get_logger()

Action: TypeAlias = Callable[[Parts, Operation], None]
Failed: TypeAlias = Callable[[Parts, Operation, str], None]


def nothing(parts: Parts, operation: Operation) -> None:
    """The undo of a step that leaves no trace, or whose trace the steps before it remove."""


@dataclass(frozen=True)
class Step:
    """One step: `do` is idempotent, and so is `undo`, which may find any part of `do` done."""

    name: str
    do: Action
    undo: Action = nothing


def _no_lock(parts: Parts, operation: Operation) -> str | None:
    return None


@dataclass(frozen=True)
class Workflow:
    """A table of steps.

    `failed` records the reason after the undos; a workflow without one runs only forward, and its steps are
    tried until they succeed. `lock` names what must not be worked on by two workflows at once (a VM's id);
    None: nothing.
    """

    name: str
    steps: tuple[Step, ...]
    failed: Failed | None = None
    lock: Callable[[Parts, Operation], str | None] = _no_lock


class Journal(Protocol):
    """How a step is run and remembered."""

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> None:
        """Run `action` unless it is remembered as done. Unavailable is tried again a few times; with
        `until_success`, every error is, for as long as it takes."""
        ...


class Unjournalled:
    """Runs each step, remembers nothing, tries nothing again."""

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> None:  # noqa: ARG002
        action()


@dataclass
class Locks:
    """Named locks within the process: a region's workflows run in one process per node."""

    _guard: threading.Lock = field(default_factory=threading.Lock)
    _locks: dict[str, threading.RLock] = field(default_factory=dict)

    @contextmanager
    def hold(self, name: str | None) -> Iterator[None]:
        """Hold the lock of this name; None holds nothing."""
        if name is None:
            yield
            return
        with self._guard:
            lock = self._locks.setdefault(name, threading.RLock())
        with lock:
            yield


def run(workflow: Workflow, parts: Parts, operation: Operation, journal: Journal, locks: Locks) -> bool:
    """Run a workflow to its end and erase its operation. Returns whether it succeeded; when not, everything has
    been undone and `failed` has recorded the reason."""
    with locks.hold(workflow.lock(parts, operation)):
        succeeded = _forward(workflow, parts, operation, journal)
        journal.once("erase operation", lambda: _erase(parts, operation), until_success=True)
    return succeeded


def _forward(workflow: Workflow, parts: Parts, operation: Operation, journal: Journal) -> bool:
    for index, step in enumerate(workflow.steps):
        try:
            _do(step, parts, operation, journal, until_success=workflow.failed is None)
        except SoucheError as error:
            log.warning(
                "workflow failed", operation=operation.operation_id, step=step.name, reason=str(error)
            )
            _backward(workflow, index, str(error), parts, operation, journal)
            return False
        except Exception:
            # A defect of ours must not leave half a thing behind either.
            log.exception("workflow broke", operation=operation.operation_id, step=step.name)
            _backward(workflow, index, INTERNAL_ERROR, parts, operation, journal)
            return False
    return True


def _do(step: Step, parts: Parts, operation: Operation, journal: Journal, *, until_success: bool) -> None:
    journal.once(step.name, lambda: step.do(parts, operation), until_success=until_success)


def _backward(
    workflow: Workflow, failed_at: int, reason: str, parts: Parts, operation: Operation, journal: Journal
) -> None:
    for step in reversed(workflow.steps[: failed_at + 1]):
        journal.once(f"undo {step.name}", lambda step=step: step.undo(parts, operation), until_success=True)  # type: ignore[misc]
    failed = workflow.failed
    if failed is not None:
        journal.once("failed", lambda: failed(parts, operation, reason), until_success=True)


def outstanding(parts: Parts) -> list[Operation]:
    """Every promise that no workflow has kept yet, oldest first."""
    with parts.store.read() as connection:
        return operations.outstanding(connection)


def _erase(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        operations.erase(connection, operation.operation_id)


Catalogue: TypeAlias = Mapping[str, Workflow]
