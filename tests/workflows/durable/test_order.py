"""DBOS underneath: the order of operations, and the turns of accounts."""

from souche.db import operations
from souche.workflows.engine import Lane
from souche.workflows.runs import RUNS_PER_ACCOUNT
from tests.support.polling import eventually
from tests.workflows.durable.runs import Log, add, running
from tests.workflows.world import World


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
    """Whether the first was begun or not, in any order of the journal's resumption."""
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
    """An account with many requests delays neither others nor its own guests and firewalls."""
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
    """It is retried forever, and does not occupy a slot of its account."""
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
