"""A process does what it has claimed, and stops where it has lost its claim: another one does the operation, from its
first step, and nothing is done out of order."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.db import claims, operations
from souche.db.schema import operations as table
from souche.db.schema import workers
from souche.db.store import Store
from souche.errors import StorageFailed
from souche.model.operations import Operation, RawParams
from souche.model.workers import Worker
from souche.workflows import engine
from souche.workflows.attempts import attempt
from souche.workflows.claims import ClaimLost, Claims, Fenced
from souche.workflows.runs import RUNS_PER_ACCOUNT
from tests.support.databases import Databases
from tests.support.polling import eventually
from tests.workflows import claiming
from tests.workflows.durable.conftest import log as log
from tests.workflows.durable.conftest import world as world
from tests.workflows.durable.runs import Log, add, running
from tests.workflows.journals import _no_pause
from tests.workflows.test_attempts import LOST
from tests.workflows.world import World

OTHER = Worker("other", "elsewhere")
PER_PROCESS = RUNS_PER_ACCOUNT[engine.Lane.WORK]
LOCKS = 2 * PER_PROCESS
"""How many operations may run at once in both processes."""
OPERATIONS = 4 * LOCKS


def give_to_other(world: World, operation: Operation) -> None:
    """As when this process was silent for a lease, and another one took the operation."""
    with world.region.store.begin() as connection:
        claims.beat(connection, OTHER)
        its = table.update().where(table.c.operation_id == operation.operation_id)
        connection.execute(its.values(worker=OTHER.worker_id))


def end_other(world: World) -> None:
    with world.region.store.begin() as connection:
        connection.execute(workers.delete())


@pytest.mark.parametrize("kind", ["long", "long unjournalled"])
def test_a_worker_that_lost_its_claim_ends_and_changes_nothing(world: World, log: Log, kind: str) -> None:
    """With a journal and without. When the other one died too, it begins again, at the first step: what its journal had
    is of a time before the other's."""
    with running(world, log) as workflows:
        operation = add(world, kind, "a", worker=workflows.worker)
        workflows.start(operation)
        eventually(lambda: log.done == ["a first"])
        give_to_other(world, operation)
        log.hold.set()
        eventually(lambda: not workflows._runs.knows(operation.operation_id))
        workflows.start_outstanding()
        workflows.revive()
        assert log.done == ["a first"]
        assert world.outstanding() == [operation]
        end_other(world)

        def is_done() -> bool:
            workflows.start_outstanding()
            return world.outstanding() == []

        eventually(is_done)
    after = ["a first", "a second"] if kind == "long" else ["a first"]
    assert log.done == ["a first", *after]


def test_what_the_journal_resumes_was_not_given_to_another_meanwhile(world: World, log: Log) -> None:
    with running(world, log) as workflows:
        operation = add(world, "long", "a", worker=workflows.worker)
        workflows.start(operation)
        eventually(lambda: log.done == ["a first"])
    give_to_other(world, operation)
    resumed = Log()
    resumed.hold.set()
    with running(world, resumed) as workflows:
        workflows.start_outstanding()
        other = add(world, "short", "b")
        workflows.start(other)
        assert workflows.wait(other.operation_id, 20)
    assert resumed.done == ["b first", "b second"]
    assert world.outstanding() == [operation]


def test_what_must_succeed_is_tried_no_more_when_the_claim_is_lost(world: World) -> None:
    own, tried = Claims(world.region.store), list[str]()

    @dataclass
    class Patient:
        def once(self, _name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
            return attempt(action, until_success=until_success, pause=_no_pause)

    def act() -> None:
        tried.append("a")
        if len(tried) == 3:
            give_to_other(world, operation)
        raise StorageFailed(reason="injected")

    operation = add(world, "short", "a", worker=own.worker)
    fenced = Fenced(Patient(), lambda: own.check(operation.operation_id))
    with pytest.raises(ClaimLost):
        fenced.once("a", act, until_success=True)
    assert len(tried) == 3


def test_a_claim_that_cannot_be_read_is_read_again_with_the_step(world: World) -> None:
    """The server of PostgreSQL is away for a moment: no operation breaks off for that."""
    tried, away = list[str](), [LOST, LOST]

    @dataclass
    class Patient:
        def once(self, _name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
            return attempt(action, until_success=until_success, pause=_no_pause)

    def check() -> None:
        if away:
            raise away.pop()

    reason = Fenced(Patient(), check).once("a", lambda: tried.append("a"), until_success=False)
    assert (reason, tried, away) == (None, ["a"], [])


def test_an_ending_is_recorded_by_whose_the_operation_is(world: World) -> None:
    """Also where the claim is lost between the look at it and the transaction that records."""
    own, recorded = Claims(world.region.store), list[str]()
    workflow = engine.Workflow(RawParams, (), ending=engine.Ending(lambda *_: recorded.append("recorded")))
    operation = add(world, "short", "a", worker=OTHER)
    engine.run(workflow, world.parts, operation, engine.Unjournalled(), own.worker.worker_id)
    assert (recorded, world.outstanding()) == ([], [operation])


@contextmanager
def working(url: str, journal: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "tests.workflows.claiming", url, str(journal), str(log)]
    with subprocess.Popen(argv) as process:
        try:
            yield process
        finally:
            process.kill()


def test_two_processes_share_the_work_in_order_and_one_takes_over_what_the_other_left(
    tmp_path: Path, databases: Databases
) -> None:
    """This process ends no step before the other one has begun all that an account may have at once; the other one ends
    none at all, is killed, and never comes back."""
    done = tmp_path / "done"
    done.touch()
    other_began = threading.Event()
    with (
        closing(Store(databases.migrated(tmp_path / "records"))) as store,
        claiming.working(store, tmp_path / "journal", done, before=lambda: other_began.wait(60)) as workflows,
        working(url_of(store), tmp_path / "other journal", done) as other,
    ):
        eventually(lambda: len(alive(store)) == 2, 60)
        requested = [(claiming.operation(number), [f"vm-{number % LOCKS}"]) for number in range(OPERATIONS)]
        with store.begin() as connection:
            operations.insert_all(connection, requested, claiming.NOW)
        workflows.start_outstanding()
        eventually(lambda: len(done_by(done, other.pid)) == PER_PROCESS, 60)
        other.kill()
        other.wait()
        other_began.set()
        with store.begin() as connection:  # as a lease later
            its = workers.update().where(workers.c.worker != workflows.worker.worker_id)
            connection.execute(its.values(heartbeat_date=claiming.NOW))

        def is_done() -> bool:
            workflows.start_outstanding()
            with store.read() as connection:
                return operations.outstanding(connection) == []

        eventually(is_done, 60)
    begun_by_other = done_by(done, other.pid)
    assert [step for _number, step in begun_by_other] == ["1"] * PER_PROCESS
    steps = sorted([*begun_by_other, *((number, step) for number in range(OPERATIONS) for step in "12")])
    assert sorted(done_by(done)) == steps
    for lock in range(LOCKS):
        own = [number for number, _step in done_by(done) if number % LOCKS == lock]
        assert own == sorted(own)


def done_by(log: Path, process: int | None = None) -> list[tuple[int, str]]:
    """The steps that a process has begun, or all have: the operation's number, and the step's."""
    lines = [line.split() for line in log.read_text().splitlines()]
    return [(int(number), step) for number, step, by in lines if process in (None, int(by))]


def url_of(store: Store) -> str:
    return store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def alive(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.scalars(sa.select(workers.c.worker)))
