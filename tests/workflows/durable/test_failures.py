"""DBOS underneath: a journal or a database that fails, for one workflow or for all."""

import sqlite3
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dbos import DBOS

from souche.db import operations, schema
from souche.db.store import Reader
from souche.errors import (
    RecordsUnavailable,
)
from souche.workflows import engine
from souche.workflows.durable import ENDED
from souche.workflows.parts import Parts
from tests.support.polling import eventually
from tests.workflows.durable.runs import FailsOnce, Log, add, running, status, sweep_until_done
from tests.workflows.world import World


def test_workflow_whose_journal_failed_is_revived(world: World, log: Log) -> None:
    with running(world, log, FailsOnce) as workflows:
        operation = add(world, "short", "a")
        workflows.start(operation)
        eventually(lambda: status(operation) == "ERROR")
        workflows.start_outstanding()
        assert world.outstanding() == [operation]
        sweep_until_done(world, workflows)
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
    """The medium of the journal's file: after `fill` it takes no writes, until `emptied`."""

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
        sweep_until_done(world, workflows)
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


def test_a_workflow_begins_when_the_database_is_back(
    world: World, log: Log, monkeypatch: pytest.MonkeyPatch, logged: list[MutableMapping[str, Any]]
) -> None:
    """It broke off, with a traceback of DBOS, and waited for the sweep."""
    away, asked = iter([True, False]), operations.is_outstanding

    def is_outstanding(reader: Reader, operation_id: str) -> bool:
        if next(away, False):
            raise RecordsUnavailable(reason="injected")
        return asked(reader, operation_id)

    with running(world, log) as workflows:
        monkeypatch.setattr(operations, "is_outstanding", is_outstanding)
        operation = add(world, "short", "a")
        workflows.start(operation)
        eventually(lambda: status(operation) in ENDED)
        assert status(operation) == "SUCCESS"
    assert not next(away, False)
    assert log.done == ["a first", "a second"]
    assert logged == []


def test_a_connection_lost_while_operations_are_read_is_one_line_of_the_log(
    world: World, log: Log, monkeypatch: pytest.MonkeyPatch, logged: list[MutableMapping[str, Any]]
) -> None:
    lost, asked = sqlite3.OperationalError("database is locked"), operations.whose_turn
    lost.sqlite_errorcode = sqlite3.SQLITE_BUSY
    failures = [lost]

    def whose_turn(*arguments: Any) -> Iterator[operations.Turn]:
        if failures:
            raise failures.pop()
        yield from asked(*arguments)

    monkeypatch.setattr(operations, "whose_turn", whose_turn)
    with running(world, log) as workflows:
        operation = add(world, "short", "a")
        workflows.start(operation)
        eventually(lambda: not failures)
        workflows.start_outstanding()
        eventually(lambda: status(operation) == "SUCCESS")
    assert [(line["log_level"], "exc_info" in line) for line in logged] == [("warning", False)]


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
        sweep_until_done(world, workflows)


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
    assert [line["operation"] for line in logged if "operation interrupted" in line["event"]] == [
        damaged.operation_id
    ]
