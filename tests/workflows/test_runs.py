"""How many workflows of an account run at once."""

from souche.model.operations import Operation
from souche.operations.vms import CreateVm
from souche.workflows.engine import Lane
from souche.workflows.runs import RUNS_PER_ACCOUNT, Runs


def operation(name: str, account_id: str) -> Operation:
    return Operation(name, "create_vm", f"i-{name}", CreateVm(boot=True), account_id)


def test_accounts_with_work_share_its_bound() -> None:
    runs = Runs(lambda: None)
    assert runs.free("alice", Lane.WORK) == RUNS_PER_ACCOUNT[Lane.WORK]
    assert runs.claim(operation("1", "bob"), Lane.WORK)
    assert runs.free("alice", Lane.WORK) == RUNS_PER_ACCOUNT[Lane.WORK] // 2
    assert runs.claim(operation("2", "alice"), Lane.WORK)
    assert runs.free("alice", Lane.WORK) == RUNS_PER_ACCOUNT[Lane.WORK] // 2 - 1


def test_an_account_keeps_its_share_between_its_requests() -> None:
    runs = Runs(lambda: None)
    assert runs.claim(operation("1", "bob"), Lane.WORK)
    runs.end("1")
    assert runs.free("alice", Lane.WORK) == RUNS_PER_ACCOUNT[Lane.WORK] // 2


def test_every_account_may_run_one() -> None:
    runs = Runs(lambda: None)
    for number in range(10 * RUNS_PER_ACCOUNT[Lane.WORK]):
        assert runs.claim(operation(f"{number}", f"account-{number}"), Lane.WORK)
    assert runs.free("alice", Lane.WORK) == 1


def test_lanes_that_wait_for_others_are_not_shared() -> None:
    runs = Runs(lambda: None)
    assert runs.claim(operation("1", "bob"), Lane.GUESTS)
    assert runs.free("alice", Lane.GUESTS) == RUNS_PER_ACCOUNT[Lane.GUESTS]
