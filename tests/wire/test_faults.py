"""Injected faults, as clients see them (docs/developing-against.md)."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from souche.faults import Fault, Faults
from souche.http.app import create_app
from tests.wire.server import KEYS, Server, bare_region, serving

CONFLICT = Fault(0, "ReadRegions", 409, "9009", times=2, after=1)
THROTTLE = Fault(0, "ReadVms", 429, "10000", times=1)


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path / "faults.json")


@pytest.fixture
def server(faults: Faults) -> Iterator[Server]:
    with serving(create_app(replace(bare_region(), faults=faults), KEYS.get)) as running:
        yield running


def statuses(server: Server, action: str, number: int) -> list[int]:
    return [server.call(action).status for _ in range(number)]


def test_an_action_fails_as_often_as_was_asked_for_after_those_let_pass(
    server: Server, faults: Faults
) -> None:
    faults.add(CONFLICT)
    assert statuses(server, "ReadRegions", 5) == [200, 409, 409, 200, 200]
    assert faults.every() == []


def test_the_answer_has_the_form_of_the_apis_errors(server: Server, faults: Faults) -> None:
    faults.add(replace(CONFLICT, after=0))
    answer = server.call("ReadRegions")
    (error,) = answer.json["Errors"]
    assert (error["Type"], error["Code"]) == ("ResourceConflict", "9009")
    assert "souche fault" in error["Details"]
    assert answer.json["ResponseContext"]["RequestId"]
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("status", [429, 503])
def test_an_answer_that_asks_for_another_try_says_when(server: Server, faults: Faults, status: int) -> None:
    faults.add(replace(THROTTLE, status=status))
    answer = server.call("ReadVms")
    assert (answer.status, int(answer.headers["retry-after"]) > 0) == (status, True)


def test_a_failure_of_the_cloud_can_be_had_too(server: Server, faults: Faults) -> None:
    faults.add(replace(THROTTLE, action="ReadRegions", status=500, code="2000"))
    answer = server.call("ReadRegions")
    assert (answer.status, answer.json["Errors"][0]["Type"]) == (500, "InternalError")


def test_the_action_is_not_done(server: Server, faults: Faults) -> None:
    """The region of this server has no records: to create a key pair would break."""
    faults.add(replace(THROTTLE, action="CreateKeypair"))
    assert statuses(server, "CreateKeypair", 1) == [429]


def test_another_action_and_another_account_are_let_alone(server: Server, faults: Faults) -> None:
    faults.add(replace(CONFLICT, action="ReadVmTypes"))
    faults.add(replace(CONFLICT, account_id="999999999999"))
    assert statuses(server, "ReadRegions", 3) == [200] * 3
    assert [each.number for each in faults.every()] == [1, 2]


@pytest.mark.parametrize("damaged", ["", "[{}]", "{", '[{"number": 1, "of_a_later_release": 2}]'])
def test_a_damaged_file_has_no_faults_and_takes_new_ones(
    server: Server, faults: Faults, damaged: str
) -> None:
    faults.add(replace(CONFLICT, after=0))
    faults._path.write_text(damaged)
    assert statuses(server, "ReadRegions", 1) == [200]
    faults.clear()
    faults.add(replace(CONFLICT, after=0))
    assert statuses(server, "ReadRegions", 1) == [409]


def test_who_is_not_let_in_meets_no_fault(server: Server, faults: Faults) -> None:
    faults.add(THROTTLE)
    assert server.call("ReadVms", secret="wrong").status == 401
    assert len(faults.every()) == 1


def test_a_late_answer_is_the_actions_own(server: Server, faults: Faults) -> None:
    faults.add(Fault(0, "ReadRegions", None, "", times=1, delay=0.2))
    begun = time.monotonic()
    assert statuses(server, "ReadRegions", 1) == [200]
    assert time.monotonic() - begun >= 0.2


def test_of_several_faults_the_oldest_comes_first(server: Server, faults: Faults) -> None:
    faults.add(replace(CONFLICT, after=0, times=1))
    faults.add(replace(THROTTLE, action="ReadRegions"))
    assert statuses(server, "ReadRegions", 3) == [409, 429, 200]


def test_no_other_user_can_hold_the_lock(tmp_path: Path, faults: Faults) -> None:
    lock = tmp_path / "faults.lock"
    lock.touch(0o644)
    before = os.umask(0o022)
    try:
        faults.add(Fault(0, "ReadVms", 429, "10000", 1))
        assert lock.stat().st_mode & 0o777 == 0o600
        lock.unlink()
        faults.clear()
        assert lock.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
