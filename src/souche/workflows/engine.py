"""Runs a workflow: a table of steps, each with a do and an undo.

The laws that every workflow obeys, run mechanically over all of its steps by tests/workflows/test_laws.py and
test_third_law.py:

1. Doing any step twice equals doing it once (a journal may replay the step that a crash interrupted).
2. Failing at any step leaves a clean world. The undo of that step and of all before it run in reverse order, then the
   workflow's `failed`. They restore the previous state, or leave a state that says "failed". An undo never assumes that
   its do finished. An undo that is refused permanently (`UserError`) is logged and not retried.
3. A workflow that is interrupted at any moment and restarts from its first step ends like an uninterrupted run (a
   journal may be lost: journal.sqlite is a file of one machine, and is not in backups).

The engine does not depend on the journal: a `Journal` runs one named step durably (DBOS in `durable.py`) or just runs
it (`Unjournalled`, in one-off commands). The failure of a step is journalled, and the step is undone. A failure of the
journal itself undoes nothing: the run stops, and another run continues from the journalled steps.

A workflow with an `Ending` needs no journal: the operation in the database is enough. After a crash it restarts from
its first step. If it is interrupted before or after any undo, it also ends like a failed run. This saves one commit of
the journal per step; it is for workflows with short steps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Generic, Protocol, TypeAlias

import structlog
from typing_extensions import TypeVar

from souche.db import operations
from souche.db.transactions import Transaction
from souche.errors import RecordsUnavailable, SoucheError, Unavailable, UserError, WritersBusy
from souche.model.operations import Operation, Params
from souche.room import full
from souche.words import MARKS, PLAIN
from souche.workflows import locks
from souche.workflows.parts import Parts

INTERNAL_ERROR = "an internal error, see the log of the region"

log = structlog.get_logger()

P = TypeVar("P", bound=Params, default=Params)
StepP = TypeVar("StepP", bound=Params, contravariant=True, default=Params)

Action: TypeAlias = Callable[[Parts, Operation[P]], None]
Failed: TypeAlias = Callable[[Parts, Operation[P], str], None]
Record: TypeAlias = Callable[[Transaction, Parts, Operation[P]], None]
RecordFailure: TypeAlias = Callable[[Transaction, Parts, Operation[P], str], None]

ERASE = "erase operation"
RECORD = "record"
FAILED = "failed"


def nothing(parts: Parts, operation: Operation) -> None:
    """The undo of a step without traces, or of one whose traces the undos of earlier steps remove."""


def no_record(connection: Transaction, parts: Parts, operation: Operation) -> None:
    """For workflows that leave nothing to record."""


@dataclass(frozen=True)
class Step(Generic[StepP]):
    """One step: `do` is idempotent, and so is `undo`, which may find any part of `do` done.

    `forward_only`: the result is already public, so this step and all later ones are retried until they succeed, and
    nothing is undone any more.
    """

    name: str
    do: Action[StepP]
    undo: Action[StepP] = nothing
    forward_only: bool = False


@dataclass(frozen=True)
class Ending(Generic[StepP]):
    """Records the result, or why a step failed, in the transaction that erases the operation. The two are atomic, so a
    workflow that has ended never restarts. Without `failed` it only runs forward."""

    record: Record[StepP] = no_record
    failed: RecordFailure[StepP] | None = None


class Lane(Enum):
    """A queue of workflows. Workflows that mostly wait have a separate one, so they do not delay an account's
    others."""

    WORK = "work"  # use the processors, briefly
    GUESTS = "guests"  # may wait for a guest to shut down, for minutes
    TRANSFERS = "transfers"  # wait for the network and for their own turns, for hours
    FIREWALLS = "firewalls"  # never wait for launches: a deleted rule must stop working


@dataclass(frozen=True)
class Workflow(Generic[P]):
    """A table of steps. Each step gets an operation with the workflow's own params.

    `ending`: the workflow runs without a journal and ends with it. Otherwise `failed` records the reason after the
    undos. A workflow that has neither `failed` nor an ending with one only runs forward: its steps are retried until
    they succeed. `lock` returns the resources that only one workflow may work on at a time (ids of VMs and volumes). It
    is called once, when an operation is requested.
    """

    params: type[P]
    steps: tuple[Step[P], ...]
    failed: Failed[P] | None = None
    lock: Callable[[Transaction, Operation[P]], frozenset[str]] = locks.nothing
    lane: Lane = Lane.WORK
    ending: Ending[P] | None = None

    @property
    def journalled(self) -> bool:
        """Whether a journal remembers its steps."""
        return self.ending is None

    @property
    def only_forward(self) -> bool:
        """Whether no step is ever undone."""
        return (self.failed if self.ending is None else self.ending.failed) is None


AnyWorkflow: TypeAlias = Workflow[Any]
Catalogue: TypeAlias = Mapping[str, AnyWorkflow]
"""Workflows by their names."""


class BrokenOff(Exception):
    """This process must stop running an operation. This is not a failure: nothing is undone or retried."""


class UnreadableOperation(SoucheError):
    """The operation {operation_id} has params that this release cannot read."""


class Journal(Protocol):
    """Runs steps, and may record their results."""

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        """Run `action` unless its result is recorded. Returns why it failed, or None if it succeeded. Unavailable is
        retried a few times. RecordsUnavailable is retried without limit, because the action's records may be visible
        already. WritersBusy is too, because an undo could not be recorded either. With `until_success`, so is every
        error.

        Raises:
            Exception: the journal itself failed; it is unknown whether the action was done.
        """
        ...


class Unjournalled:
    """Runs each step once, without a record of it. A failed undo stops the run, and so do RecordsUnavailable, because
    the commit may have succeeded, and WritersBusy: the operation stays outstanding."""

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:  # noqa: ARG002
        if until_success:
            action()
            return None
        try:
            action()
        except (BrokenOff, RecordsUnavailable, WritersBusy):
            raise
        except Exception as error:
            return reason_of(error)
        return None


def reason_of(error: Exception) -> str:
    """The message for users of an error that ends here, as records keep it (`words.MARKS`). A defect of Souche is
    logged, and shown only as such. The log has the whole text of any other error."""
    error = full(error) or error
    if isinstance(error, SoucheError):
        if error.public_message() != str(error):
            log.warning("a step failed", error=str(error))
        return error.public_message(MARKS)
    log.error("a step broke", exc_info=error)
    return INTERNAL_ERROR


def step_names(workflow: Workflow) -> list[str]:
    """The names of the journalled steps of a run without failures, in order."""
    return [*(step.name for step in workflow.steps), ERASE if workflow.ending is None else RECORD]


def run(
    workflow: AnyWorkflow,
    parts: Parts,
    operation: Operation,
    journal: Journal,
    worker_id: str | None = None,
) -> None:
    """Run a workflow to its end and erase its operation. When a step fails, everything is undone and `failed` records
    the reason. An erased operation is done, so nothing happens. An operation that is no longer claimed by `worker_id`
    is not ended.

    The caller runs it only when no earlier operation works on the same resources (`db/operations`).

    Raises:
        UnreadableOperation: its params are of another release; nothing was done.
        BrokenOff, RecordsUnavailable, WritersBusy: from the journal.
    """
    if _is_done(parts, operation.operation_id):
        return
    if not isinstance(operation.params, workflow.params):
        raise UnreadableOperation(operation_id=operation.operation_id)
    reason = _forward(workflow, parts, operation, journal)
    if workflow.ending is not None:
        _end(workflow.ending, reason, parts, operation, journal, worker_id)
    else:
        failed = workflow.failed
        if reason is not None and failed is not None:
            journal.once(FAILED, lambda: failed(parts, operation, reason), until_success=True)
        journal.once(ERASE, lambda: _erase(parts, operation, worker_id), until_success=True)
    parts.tally.ended(operation.operation_id, operation.workflow, failed=reason is not None)


def _forward(workflow: AnyWorkflow, parts: Parts, operation: Operation, journal: Journal) -> str | None:
    """Do the steps. When one fails, undo it and those before it, and return the reason."""
    certain = workflow.only_forward
    for index, step in enumerate(workflow.steps):
        certain = certain or step.forward_only
        reason = journal.once(step.name, lambda step=step: step.do(parts, operation), until_success=certain)  # type: ignore[misc]
        if reason is not None:
            log.warning(
                "operation failed",
                operation=operation.operation_id,
                step=step.name,
                reason=PLAIN.fill(reason),
            )
            for each in reversed(workflow.steps[: index + 1]):
                undo = partial(_undo, each, parts, operation)
                journal.once(f"undo {each.name}", undo, until_success=True)
            return reason
    return None


def _end(
    ending: Ending[Any],
    reason: str | None,
    parts: Parts,
    operation: Operation,
    journal: Journal,
    worker_id: str | None,
) -> None:
    def end() -> None:
        with parts.store.begin() as connection:
            if not operations.erase(connection, operation.operation_id, worker_id):
                return
            if reason is None:
                ending.record(connection, parts, operation)
            elif ending.failed is not None:
                ending.failed(connection, parts, operation, reason)

    journal.once(RECORD if reason is None else FAILED, end, until_success=True)


def _undo(step: Step[Any], parts: Parts, operation: Operation) -> None:
    """Undo a step. A refusal (`UserError`) is permanent, so a retry would never end: the step's leftovers stay, and the
    workflow continues to its end. Any other error is temporary, or can be fixed, and is raised."""
    try:
        step.undo(parts, operation)
    except UserError as error:
        log.warning(
            "an undo failed permanently, its resource is left",
            operation=operation.operation_id,
            undo=step.name,
            reason=str(error),
        )


def outstanding(parts: Parts) -> list[Operation]:
    """Every operation that is not done yet, oldest first."""
    with parts.store.read() as connection:
        return operations.outstanding(connection)


def is_outstanding(parts: Parts, operation_id: str) -> bool:
    """Whether an operation is not done yet."""
    with parts.store.reader() as reader:
        return operations.is_outstanding(reader, operation_id)


def _is_done(parts: Parts, operation_id: str) -> bool:
    """Whether an operation is known to be done. While the database is away it is not: the first step waits, and looks
    again (`claims.Fenced`)."""
    try:
        return not is_outstanding(parts, operation_id)
    except Unavailable:
        return False


def is_next(parts: Parts, operation_id: str) -> bool:
    """Whether no earlier operation works on a resource of this one."""
    with parts.store.read() as connection:
        return operations.is_next(connection, operation_id)


def _erase(parts: Parts, operation: Operation, worker_id: str | None) -> None:
    with parts.store.begin() as connection:
        operations.erase(connection, operation.operation_id, worker_id)
