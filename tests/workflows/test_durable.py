"""Retries; and DBOS underneath: each workflow once, resumed, revived, forgotten."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dbos import DBOS

from souche.db import operations, schema
from souche.errors import (
    ComputeFailed,
    Raced,
    RecordsUnavailable,
    StorageFailed,
    SystemFailure,
    Unavailable,
    WritersBusy,
)
from souche.model.operations import Operation, RawParams
from souche.model.workers import Worker
from souche.operations.vms import CreateVm
from souche.value_refusals import UrlUnreachable
from souche.words import Term
from souche.workflows import durable, engine
from souche.workflows.attempts import ATTEMPTS_WHEN_UNAVAILABLE, LONGEST_PAUSE_SECONDS, attempt
from souche.workflows.durable import KEPT, DurableWorkflows, as_it_is
from souche.workflows.engine import INTERNAL_ERROR, Ending, Lane, Step, Workflow
from souche.workflows.parts import Parts
from souche.workflows.runs import RUNS_PER_ACCOUNT
from tests.support.polling import eventually
from tests.support.region import ManualClock
from tests.workflows.world import MemoryDisks, World, assemble

FULL = 2


@dataclass
class Flaky:
    """Fails a number of times, each time with the same error."""

    error: Exception
    failures: int
    calls: int = 0
    pauses: list[float] = field(default_factory=list)

    def act(self) -> None:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error

    def attempt(self, *, until_success: bool) -> str | None:
        return attempt(self.act, until_success=until_success, pause=self.pauses.append)


LOST = Unavailable(what="libvirt", reason="lost")


def test_the_log_has_no_slots_for_a_doors_words(logged: list[MutableMapping[str, Any]]) -> None:
    refused = UrlUnreachable(parameter=Term.FILE_LOCATION, reason="away")
    assert Flaky(refused, 1).attempt(until_success=True) is None
    (line,) = logged
    assert "file location" in line["reason"].lower()
    assert "{" not in line["reason"]


def test_success_needs_one_attempt() -> None:
    flaky = Flaky(LOST, 0)
    assert flaky.attempt(until_success=False) is None
    assert (flaky.calls, flaky.pauses) == (1, [])


@pytest.mark.parametrize("error", [LOST, Raced()])
def test_what_is_unavailable_is_tried_again_a_few_times(error: SystemFailure) -> None:
    passing = Flaky(error, ATTEMPTS_WHEN_UNAVAILABLE - 1)
    assert passing.attempt(until_success=False) is None
    lasting = Flaky(error, 100)
    assert lasting.attempt(until_success=False) == str(error)
    assert lasting.calls == ATTEMPTS_WHEN_UNAVAILABLE
    assert lasting.pauses == sorted(lasting.pauses)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StorageFailed(reason="no"), "The volume store failed: no"),
        (ComputeFailed(reason="no"), "The hypervisor failed: no"),
        (RuntimeError("secret"), INTERNAL_ERROR),
    ],
)
def test_other_errors_are_final(error: Exception, reason: str) -> None:
    flaky = Flaky(error, 100)
    assert flaky.attempt(until_success=False) == reason
    assert (flaky.calls, flaky.pauses) == (1, [])


AWAY = RecordsUnavailable(reason="lost")
BUSY = WritersBusy(seconds=30)


@pytest.mark.parametrize("error", [BUSY, Raced()])
def test_after_a_lost_answer_a_busy_database_is_waited_for_too(error: SystemFailure) -> None:
    """The step ended, and was undone, though its first try may have been committed."""
    errors = iter([AWAY] * ATTEMPTS_WHEN_UNAVAILABLE + [error] * 50)

    def act() -> None:
        if (raised := next(errors, None)) is not None:
            raise raised

    assert attempt(act, until_success=False, pause=lambda _seconds: None) is None


def test_a_database_that_was_away_takes_no_try_from_what_else_is_unavailable() -> None:
    errors = iter([AWAY] * ATTEMPTS_WHEN_UNAVAILABLE + [LOST] * (ATTEMPTS_WHEN_UNAVAILABLE - 1))

    def act() -> None:
        if (raised := next(errors, None)) is not None:
            raise raised

    assert attempt(act, until_success=False, pause=lambda _seconds: None) is None


@pytest.mark.parametrize("error", [LOST, StorageFailed(reason="no"), RuntimeError("a defect")])
def test_what_must_succeed_is_tried_without_end(error: Exception) -> None:
    flaky = Flaky(error, 50)
    assert flaky.attempt(until_success=True) is None
    assert flaky.calls == 51
    assert max(flaky.pauses) == flaky.pauses[-1] == LONGEST_PAUSE_SECONDS


def test_what_is_tried_without_end_is_logged_at_growing_intervals(
    logged: list[MutableMapping[str, Any]],
) -> None:
    assert Flaky(StorageFailed(reason="no"), 300).attempt(until_success=True) is None
    told = [line["attempts"] for line in logged]
    assert told == [1, 2, 4, 8, 16, 32, 64, 120, 128, 240, 256]
    assert {line["reason"] for line in logged} == {"The volume store failed: no"}


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


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    yield log
    log.hold.set()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = assemble(tmp_path, MemoryDisks(), seed=1)
    world.region.store.migrate()
    yield world
    world.close()


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


def status(operation: Operation) -> str | None:
    found = DBOS.get_workflow_status(operation.operation_id)
    return found.status if found else None


def test_workflow_runs_once_however_often_it_is_started(world: World, log: Log) -> None:
    with running(world, log) as workflows:
        operation = add(world, "short", "a")
        for _ in range(3):
            workflows.start(operation)
            workflows.start_outstanding()
        assert workflows.wait(operation.operation_id, 20)
        workflows.start(operation)
        workflows.start_outstanding()
        assert log.done == ["a first", "a second"]
        assert world.outstanding() == []


def test_wait_tells_whether_it_ended_in_time(world: World, log: Log) -> None:
    with running(world, log) as workflows:
        operation = add(world, "long", "a")
        workflows.start(operation)
        assert not workflows.wait(operation.operation_id, 0.05)
        log.hold.set()
        assert workflows.wait(operation.operation_id, 20)


def test_operations_of_others_are_taken_up(world: World, log: Log) -> None:
    with running(world, log) as workflows:
        operation = add(world, "short", "a")
        workflows.start_outstanding()
        assert workflows.wait(operation.operation_id, 20)


def test_interrupted_workflow_goes_on_where_it_was(world: World, log: Log) -> None:
    with running(world, log) as workflows:
        operation = add(world, "long", "a")
        workflows.start(operation)
        eventually(lambda: log.done == ["a first"])
    resumed = Log(hold=log.hold)
    with running(world, resumed):
        log.hold.set()
        eventually(lambda: world.outstanding() == [])
    assert log.done == ["a first"]
    assert resumed.done == ["a second"]


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


def test_workflow_whose_journal_failed_is_revived(world: World, log: Log) -> None:
    with running(world, log, FailsOnce) as workflows:
        operation = add(world, "short", "a")
        workflows.start(operation)
        eventually(lambda: status(operation) == "ERROR")
        workflows.start_outstanding()
        assert world.outstanding() == [operation]
        workflows.revive()
        eventually(lambda: world.outstanding() == [])
        eventually(lambda: status(operation) == "SUCCESS")
    assert log.done == ["a first", "a second", "a second"]


@dataclass(frozen=True)
class FullMedium:
    """A journal whose medium is full when the second step is done."""

    medium: "Medium"
    under: engine.Journal

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        def act() -> None:
            action()
            if name == "second":
                self.medium.fill()

        return self.under.once(name, act, until_success=until_success)


class Medium:
    """Where the journal's file is: takes nothing any more once it is filled, until `emptied`."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._broken = True

    def fill(self) -> None:
        if self._broken:
            self._broken = False
            self._execute(
                "CREATE TRIGGER full{0} BEFORE {1} BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
            )

    def emptied(self) -> None:
        self._execute("DROP TRIGGER full{0}")

    def _execute(self, statement: str) -> None:
        with closing(sqlite3.connect(self._database)) as connection:
            for number, written in enumerate(("INSERT ON operation_outputs", "UPDATE ON workflow_status")):
                connection.execute(statement.format(number, written))
            connection.commit()


def test_workflow_whose_journal_takes_nothing_goes_on_without_a_restart(world: World, log: Log) -> None:
    """Not even that it has failed can be written: to the journal it runs still."""
    medium = Medium(world.home / "journal.sqlite")
    with running(world, log, partial(FullMedium, medium)) as workflows:
        operation = add(world, "short", "a")
        workflows.start(operation)
        assert workflows.wait(operation.operation_id, 20)
        workflows.revive()
        assert status(operation) == "PENDING"
        medium.emptied()
        workflows.revive()
        eventually(lambda: world.outstanding() == [])
        eventually(lambda: status(operation) == "SUCCESS")
    assert log.done[:2] == ["a first", "a second"]
    assert set(log.done[2:]) == {"a second"}


def test_a_workflow_waits_for_its_turn_while_the_database_is_away(
    world: World, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, asked = iter([True, True, False]), engine.is_next

    def is_next(parts: Parts, operation_id: str) -> bool:
        if next(away, False):
            raise RecordsUnavailable(reason="injected")
        return asked(parts, operation_id)

    monkeypatch.setattr(engine, "is_next", is_next)
    with running(world, log) as workflows:
        operation = add(world, "short", "a")
        workflows.start(operation)
        eventually(lambda: status(operation) == "SUCCESS")
    assert not next(away, False)
    assert log.done == ["a first", "a second"]


def test_workflow_that_cannot_be_revived_holds_up_no_other(
    world: World, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(world, log) as workflows:
        for operation in [add(world, "short", name) for name in "ab"]:
            workflows.start(operation)
            assert workflows.wait(operation.operation_id, 20)
            eventually(lambda operation=operation: status(operation) == "SUCCESS")  # type: ignore[misc]
        for name in "ab":
            add(world, "short", name, worker=workflows.worker)
        rewind = DBOS.rewind_workflow

        def rewind_most(workflow_id: str, **how: Any) -> object:
            if workflow_id == "short:a":
                raise OSError("no")
            return rewind(workflow_id, **how)

        monkeypatch.setattr(DBOS, "rewind_workflow", rewind_most)
        workflows.revive()
        eventually(lambda: [each.subject_id for each in world.outstanding()] == ["a"])
        monkeypatch.undo()
        workflows.revive()
        eventually(lambda: world.outstanding() == [])


@pytest.mark.parametrize("arguments", ['"damaged"', "[]", '{"boot": "perhaps"}'])
def test_an_operation_that_cannot_be_read_holds_up_no_other(
    world: World, log: Log, logged: list[MutableMapping[str, Any]], arguments: str
) -> None:
    with running(world, log, launch=False) as workflows:
        damaged = add(world, "create_vm", "a")
        with world.region.store.begin() as connection:
            connection.execute(
                schema.operations.update().values(arguments=sa.literal_column(f"'{arguments}'"))
            )
        others = [add(world, "short", "b"), add(world, "short", "c", account_id="bob")]
        workflows.launch()
        assert all(workflows.wait(each.operation_id, 20) for each in (damaged, *others))
        assert [each.operation_id for each in world.outstanding()] == [damaged.operation_id]
    assert sorted(log.done) == ["b first", "b second", "c first", "c second"]
    assert [line["operation"] for line in logged if "broke off" in line["event"]] == [damaged.operation_id]


def test_operation_of_a_restored_database_is_done_again(world: World, log: Log) -> None:
    """The journal is of a later time than the database: it says that all was done."""
    with running(world, log) as workflows:
        operation = add(world, "short", "a")
        workflows.start(operation)
        eventually(lambda: status(operation) == "SUCCESS")
        add(world, "short", "a")
        workflows.revive()
        eventually(lambda: world.outstanding() == [])
    assert log.done == ["a first", "a second"] * 2


def test_a_workflow_with_an_ending_leaves_nothing_in_the_journal(world: World, log: Log) -> None:
    with running(world, log) as workflows:
        operation = add(world, "unjournalled", "a")
        workflows.start(operation)
        assert workflows.wait(operation.operation_id, 20)
        assert status(operation) is None
        workflows.revive()
        assert world.outstanding() == []
    assert log.done == ["a first", "a second"]


def test_a_workflow_with_an_ending_begins_again_after_a_crash(world: World, log: Log) -> None:
    with running(world, log) as workflows:
        workflows.start(add(world, "long unjournalled", "a"))
        eventually(lambda: log.done == ["a first"])
    resumed = Log(hold=log.hold)
    with running(world, resumed):
        log.hold.set()
        eventually(lambda: world.outstanding() == [])
    assert resumed.done == ["a first"]


def test_a_workflow_with_an_ending_that_broke_off_begins_again(world: World, log: Log) -> None:
    with running(world, log, FailsOnce) as workflows:
        operation = add(world, "unjournalled", "a")
        workflows.start(operation)
        assert workflows.wait(operation.operation_id, 20)
        workflows.start_outstanding()
        assert world.outstanding() == [operation]
        workflows.revive()
        eventually(lambda: world.outstanding() == [])
    assert log.done == ["a first", "a second"] * 2


def test_what_an_earlier_release_began_in_the_journal_begins_again(
    world: World, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is resumed there, and done without it."""
    with monkeypatch.context() as earlier:
        earlier.setattr(Workflow, "journalled", True)
        with running(world, log) as workflows:
            workflows.start(add(world, "long unjournalled", "a"))
            eventually(lambda: log.done == ["a first"])
    resumed = Log(hold=log.hold)
    with running(world, resumed):
        log.hold.set()
        eventually(lambda: world.outstanding() == [])
    assert resumed.done == ["a first"]


def test_running_workflow_is_not_revived(world: World, log: Log) -> None:
    with running(world, log) as workflows:
        operation = add(world, "long", "a")
        workflows.start(operation)
        eventually(lambda: log.done == ["a first"])
        workflows.revive()
        assert status(operation) == "PENDING"
        log.hold.set()
        eventually(lambda: world.outstanding() == [])
    assert log.done == ["a first", "a second"]


def test_journal_forgets_what_has_ended(world: World, log: Log) -> None:
    clock = world.parts.clock
    assert isinstance(clock, ManualClock)
    clock.present = datetime.now(UTC)
    with running(world, log) as workflows:
        ended = [add(world, "short", f"s{number}") for number in range(5)]
        alive = add(world, "long", "a")
        for operation in (*ended, alive):
            workflows.start(operation)
        for operation in ended:
            eventually(lambda operation=operation: status(operation) == "SUCCESS")  # type: ignore[misc]
        workflows.forget_ended()
        assert all(status(operation) == "SUCCESS" for operation in ended)
        clock.advance(seconds=KEPT.total_seconds() + 60)
        workflows.forget_ended()
        assert [status(operation) for operation in ended] == [None] * 5
        assert status(alive) == "PENDING"
        log.hold.set()
        eventually(lambda: world.outstanding() == [])


def test_operations_that_work_on_the_same_are_done_in_their_order(world: World, log: Log) -> None:
    with running(world, log) as workflows:
        add(world, "long", "a", "vm")
        add(world, "short", "b", "vm", "volume")
        add(world, "short", "c", "volume")
        last = add(world, "short", "d", "other")
        workflows.start(last)
        assert workflows.wait(last.operation_id, 20)
        eventually(lambda: "a first" in log.done)
        workflows.start_outstanding()
        assert not [each for each in log.done if each[0] in "bc"]
        log.hold.set()
        eventually(lambda: world.outstanding() == [])
    order = [each for each in log.done if each[0] in "abc"]
    assert order == [f"{subject} {step}" for subject in "abc" for step in ("first", "second")]


def test_order_is_kept_across_a_crash(world: World, log: Log) -> None:
    """Whether the first was begun or not, in whatever order the journal resumes what it knows."""
    for number in range(10):
        add(world, "long" if number == 0 else "short", f"{number}", "vm")
    with running(world, log):
        eventually(lambda: log.done == ["0 first"])
    resumed = Log(hold=log.hold)
    with running(world, resumed):
        log.hold.set()
        eventually(lambda: world.outstanding() == [])
    after = [f"{number} {step}" for number in range(10) for step in ("first", "second")]
    assert log.done + resumed.done == after


def test_what_a_former_version_began_out_of_order_waits_all_the_same(world: World, log: Log) -> None:
    """The journal has all of them as begun, and resumes them at once."""
    with running(world, log) as workflows:
        begun = [add(world, "long", f"{number}") for number in range(10)]
        workflows.start_outstanding()
        eventually(lambda: len(log.done) == RUNS_PER_ACCOUNT[Lane.WORK])
        with world.region.store.begin() as connection:
            for operation in begun:
                operations.erase(connection, operation.operation_id)
            for operation in begun:
                operations.insert(connection, operation, ["vm"], world.parts.clock.now())
    resumed = Log()  # what waits in the former run goes on waiting, as in a process that died
    resumed.hold.set()
    with running(world, resumed):
        eventually(lambda: world.outstanding() == [], 60)
    ended = [each for each in resumed.done if each.endswith("second")]
    assert ended == [f"{number} second" for number in range(10)]


def test_what_ended_in_the_journal_and_is_nobodys_begins_anew_at_the_start(world: World, log: Log) -> None:
    """The run had lost its claim, or a backup of the database came back: no sweep is waited for."""
    log.hold.set()
    with running(world, log) as workflows:
        workflows.start(add(world, "long", "a"))
        eventually(lambda: world.outstanding() == [])
    add(world, "long", "a")
    with running(world, log):
        eventually(lambda: world.outstanding() == [])
    assert log.done == ["a first", "a second"] * 2


def test_accounts_take_turns(world: World, log: Log) -> None:
    """One that has requested much keeps nobody else waiting, nor its own guests and firewalls."""
    many = [add(world, "long", f"{number}") for number in range(5 * RUNS_PER_ACCOUNT[Lane.WORK])]
    with running(world, log) as workflows:
        eventually(lambda: len(log.done) == RUNS_PER_ACCOUNT[Lane.WORK])
        others = [add(world, "short", "x", account_id="bob"), add(world, "guest", "y")]
        workflows.start(others[0])
        assert all(workflows.wait(each.operation_id, 20) for each in others)
        assert len([each for each in log.done if each[0] in "0123456789"]) == RUNS_PER_ACCOUNT[Lane.WORK]
        log.hold.set()
        eventually(lambda: world.outstanding() == [], 60)
    assert len(log.done) == 2 * len(many) + 3


def test_what_waits_for_an_earlier_operation_takes_no_place(world: World, log: Log) -> None:
    with running(world, log) as workflows:
        for number in range(5 * RUNS_PER_ACCOUNT[Lane.WORK]):
            add(world, "long" if number == 0 else "short", f"{number}", "vm")
        free = add(world, "short", "x")
        workflows.start(free)
        assert workflows.wait(free.operation_id, 20)
        log.hold.set()
        eventually(lambda: world.outstanding() == [], 60)


def test_what_is_broken_holds_up_its_successors_only(world: World, log: Log) -> None:
    """It is tried for ever, and takes no place of its account's meanwhile."""
    with running(world, log) as workflows:
        for number in range(2 * RUNS_PER_ACCOUNT[Lane.WORK]):
            add(world, "broken", f"{number}", f"vm-{number}")
        successor = add(world, "short", "successor", "vm-0")
        other = add(world, "short", "other")
        workflows.start(other)
        assert workflows.wait(other.operation_id, 20)
        assert not workflows.wait(successor.operation_id, 0.05)
        log.hold.set()
        eventually(lambda: world.outstanding() == [], 60)


def test_the_journal_waits_for_the_medium_with_each_commit(tmp_path: Path) -> None:
    """Whatever SQLite was built to do by itself (docs/durability.md)."""
    configuration = durable._configuration(tmp_path / "journal.sqlite", "test")
    url, options = configuration["system_database_url"], configuration["db_engine_kwargs"]
    assert url is not None
    made = sa.create_engine(url, **options or {})
    with made.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == FULL
    made.dispose()
