"""Operations that the journal lists as running, but no thread runs: their end, or their restart, could not be written
on a full medium. A sweep continues or releases them, without a restart."""

import sqlite3
from contextlib import closing
from functools import partial

from tests.support.polling import eventually
from tests.workflows.durable.conftest import log as log
from tests.workflows.durable.conftest import world as world
from tests.workflows.durable.runs import Log, add, running, status, sweep_until_done
from tests.workflows.durable.test_failures import FullMedium, Medium
from tests.workflows.test_claims import end_other, give_to_other
from tests.workflows.world import World


def test_an_operation_that_was_another_workers_meanwhile_is_taken_again(world: World, log: Log) -> None:
    """It begins at its first step: what this journal has is of the time before the other worker's."""
    medium = Medium(world.home / "journal.sqlite")
    with running(world, log, partial(FullMedium, medium)) as workflows:
        operation = add(world, "short", "a", worker=workflows.worker)
        workflows.start(operation)
        assert workflows.wait(operation.operation_id, 20)
        give_to_other(world, operation)
        workflows.revive()
        medium.emptied()
        end_other(world)
        log.done.clear()
        workflows.start_outstanding()
        assert status(operation) == "PENDING"
        sweep_until_done(world, workflows)
    assert log.done == ["a first", "a second"]


def test_what_the_journal_could_not_resume_at_the_start_is_resumed_later(world: World, log: Log) -> None:
    with running(world, log) as workflows:
        operation = add(world, "long", "a", worker=workflows.worker)
        workflows.start(operation)
        eventually(lambda: log.done == ["a first"])
    full = (
        "CREATE TRIGGER full BEFORE UPDATE ON workflow_status BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
    )
    execute(world, full)
    resumed = Log(hold=log.hold)
    log.hold.set()
    with running(world, resumed) as workflows:
        workflows.revive()
        assert status(operation) == "PENDING"
        execute(world, "DROP TRIGGER full")
        sweep_until_done(world, workflows)
    assert resumed.done == ["a second"]


def test_what_runs_is_left_alone(world: World, log: Log) -> None:
    with running(world, log) as workflows:
        operation = add(world, "long", "a", worker=workflows.worker)
        workflows.start(operation)
        eventually(lambda: log.done == ["a first"])
        for _ in range(3):
            workflows.revive()
        assert status(operation) == "PENDING"
        log.hold.set()
        eventually(lambda: world.outstanding() == [])
    assert log.done == ["a first", "a second"]


def execute(world: World, statement: str) -> None:
    """In the journal's file."""
    with closing(sqlite3.connect(world.home / "journal.sqlite")) as connection, connection:
        connection.execute(statement)
