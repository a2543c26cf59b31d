"""Attempts: what is tried again, how often, and what the log says."""

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from souche.api.protocol.errors import row
from souche.errors import (
    ComputeFailed,
    OutOfSpace,
    Raced,
    RecordsFull,
    RecordsUnavailable,
    StorageFailed,
    SystemFailure,
    Unavailable,
    WritersBusy,
)
from souche.value_refusals import UrlUnreachable
from souche.words import Term
from souche.workflows.attempts import ATTEMPTS_WHEN_UNAVAILABLE, LONGEST_PAUSE_SECONDS, attempt
from souche.workflows.engine import INTERNAL_ERROR


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


@pytest.mark.parametrize("before", [[], [AWAY] * ATTEMPTS_WHEN_UNAVAILABLE])
def test_busy_writers_are_waited_for(before: list[Exception]) -> None:
    """A step failed, and an acknowledged snapshot with it, when another session held the lock for four minutes."""
    errors = iter([*before, *[BUSY] * 50])

    def act() -> None:
        if (raised := next(errors, None)) is not None:
            raise raised

    assert attempt(act, until_success=False, pause=lambda _seconds: None) is None


def test_after_a_lost_answer_a_race_is_waited_for_too() -> None:
    """The step ended, and was undone, though its first try may have been committed."""
    errors = iter([AWAY] * ATTEMPTS_WHEN_UNAVAILABLE + [Raced()] * 50)

    def act() -> None:
        if (raised := next(errors, None)) is not None:
            raise raised

    assert attempt(act, until_success=False, pause=lambda _seconds: None) is None


def test_a_database_without_space_is_waited_for() -> None:
    errors = iter([RecordsFull(reason="full")] * 50)

    def act() -> None:
        if (raised := next(errors, None)) is not None:
            raise raised

    assert attempt(act, until_success=False, pause=lambda _seconds: None) is None
    assert row(RecordsFull) == row(OutOfSpace)


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
