"""Failed signatures that every process of a region knows."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from souche.app import access_keys
from souche.app.context.region import Region
from souche.app.failed_signatures import RecordedAttempts
from souche.model.accounts import Principal
from tests.support.region import START

MINUTE = timedelta(minutes=1)


@pytest.fixture
def key(region: Region, alice: Principal) -> str:
    made, _secret = access_keys.create(region, alice)
    return made.access_key_id


def test_failures_are_counted_by_all_together_and_lock_the_key(region: Region, key: str) -> None:
    first, second = RecordedAttempts(region.store), RecordedAttempts(region.store)
    for attempts in (first, second, first):
        attempts.failed(key, START)
        assert second.of(key).seconds_locked(START) == 0
    second.failed(key, START)
    for attempts in (first, second, RecordedAttempts(region.store)):
        assert attempts.of(key).seconds_locked(START) > 0
        assert attempts.of(key).seconds_locked(START + MINUTE) == 0


def test_failures_that_are_forgotten_do_not_count(region: Region, key: str) -> None:
    attempts = RecordedAttempts(region.store)
    for _ in range(3):
        attempts.failed(key, START)
    assert attempts.forget(key, START) == 0
    assert RecordedAttempts(region.store).of(key).count == 0
    attempts.failed(key, START)
    assert attempts.of(key).seconds_locked(START) == 0


def test_failures_go_with_their_key_and_none_are_counted_of_one_that_is_gone(
    region: Region, alice: Principal, key: str
) -> None:
    attempts = RecordedAttempts(region.store)
    for _ in range(4):
        attempts.failed(key, START)
    access_keys.delete(region, alice, key)
    assert attempts.of(key).seconds_locked(START) == 0
    attempts.failed(key, START)
    assert attempts.of(key).seconds_locked(START) == 0


def test_of_guesses_at_once_no_more_than_four_are_told_that_they_are_wrong(region: Region, key: str) -> None:
    """Each has looked before any was counted, as in processes that answer at the same time."""
    counted = [RecordedAttempts(region.store) for _ in range(16)]
    assert all(attempts.of(key).count == 0 for attempts in counted)
    with ThreadPoolExecutor(len(counted)) as threads:
        locked = list(threads.map(lambda attempts: attempts.failed(key, START), counted))
    assert sorted(locked) == [0] * 4 + [61] * 12
    assert counted[0].of(key).count == 4


def test_a_key_that_is_locked_meanwhile_is_not_opened_by_a_right_signature(region: Region, key: str) -> None:
    attempts = RecordedAttempts(region.store)
    for _ in range(4):
        attempts.failed(key, START)
    assert attempts.forget(key, START) == 61
    assert attempts.of(key).seconds_locked(START) > 0
    assert attempts.forget(key, START + MINUTE) == 0
    assert attempts.of(key).count == 0
