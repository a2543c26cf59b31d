from datetime import UTC, datetime, timedelta

from souche.http.attempts import KEYS_REMEMBERED, RememberedAttempts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _fail(attempts: RememberedAttempts, times: int, key: str = "key") -> None:
    for _ in range(times):
        attempts.failed(key, NOW)


def test_locks_grow_by_a_minute_up_to_ten() -> None:
    attempts = RememberedAttempts()
    for minutes in (1, 2, 3):
        _fail(attempts, 4)
        assert attempts.of("key").seconds_locked(NOW + timedelta(minutes=minutes, seconds=-1)) > 0
        assert attempts.of("key").seconds_locked(NOW + timedelta(minutes=minutes)) == 0
    _fail(attempts, 100)
    assert attempts.of("key").seconds_locked(NOW + timedelta(minutes=10)) == 0


def test_three_failures_lock_nothing() -> None:
    attempts = RememberedAttempts()
    _fail(attempts, 3)
    assert attempts.of("key").seconds_locked(NOW) == 0


def test_memory_is_bounded() -> None:
    attempts = RememberedAttempts()
    for number in range(KEYS_REMEMBERED + 10):
        attempts.failed(str(number), NOW)
    assert len(attempts._failures) == KEYS_REMEMBERED
