from datetime import UTC, datetime, timedelta

from souche.http.attempts import KEYS_REMEMBERED, RememberedAttempts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _fail(attempts: RememberedAttempts, times: int, now: datetime = NOW) -> None:
    for _ in range(times):
        assert attempts.failed("key", now) == 0


def test_locks_grow_by_a_minute_up_to_ten() -> None:
    attempts = RememberedAttempts()
    now = NOW
    for minutes in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10):
        _fail(attempts, 4, now)
        assert attempts.of("key").seconds_locked(now + timedelta(minutes=minutes, seconds=-1)) > 0
        now += timedelta(minutes=minutes)
        assert attempts.of("key").seconds_locked(now) == 0


def test_what_comes_while_a_key_is_locked_is_not_counted_and_does_not_open_it() -> None:
    """Guesses at once have all looked before one was counted."""
    attempts = RememberedAttempts()
    _fail(attempts, 4)
    assert attempts.failed("key", NOW) == attempts.forget("key", NOW) == 61
    assert attempts.of("key").count == 4
    assert attempts.forget("key", NOW + timedelta(minutes=1)) == 0
    assert attempts.of("key").count == 0


def test_three_failures_lock_nothing() -> None:
    attempts = RememberedAttempts()
    _fail(attempts, 3)
    assert attempts.of("key").seconds_locked(NOW) == 0


def test_memory_is_bounded() -> None:
    attempts = RememberedAttempts()
    for number in range(KEYS_REMEMBERED + 10):
        attempts.failed(str(number), NOW)
    assert len(attempts._failures) == KEYS_REMEMBERED
