"""DBOS underneath: each workflow once, resumed, revived, forgotten."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.workflows import durable
from souche.workflows.durable import KEPT
from souche.workflows.engine import Workflow
from tests.support.polling import eventually
from tests.support.region import ManualClock
from tests.workflows.durable.runs import FailsOnce, Log, add, running, status, sweep_until_done
from tests.workflows.world import World

FULL = 2


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


def test_operation_of_a_restored_database_is_done_again(world: World, log: Log) -> None:
    """The journal is of a later time than the database: it says that all was done."""
    with running(world, log) as workflows:
        operation = add(world, "short", "a")
        workflows.start(operation)
        eventually(lambda: status(operation) == "SUCCESS")
        add(world, "short", "a")
        sweep_until_done(world, workflows)
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
        sweep_until_done(world, workflows)
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


def test_the_journal_waits_for_the_medium_with_each_commit(tmp_path: Path) -> None:
    """With any default of the SQLite build (docs/durability.md)."""
    configuration = durable._configuration(tmp_path / "journal.sqlite", "test")
    url, options = configuration["system_database_url"], configuration["db_engine_kwargs"]
    assert url is not None
    made = sa.create_engine(url, **options or {})
    with made.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == FULL
    made.dispose()
