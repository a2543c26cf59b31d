"""Retries a step while a service that it needs is unavailable."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from souche.errors import Raced, RecordsUnavailable, Unavailable, WritersBusy
from souche.words import PLAIN
from souche.workflows import engine

FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 30.0
TOLD_ATTEMPTS: Final = 120
ATTEMPTS_WHEN_UNAVAILABLE: Final = 6

log = structlog.get_logger()


def attempt(
    action: Callable[[], None], *, until_success: bool, pause: Callable[[float], None] = time.sleep
) -> str | None:
    """Run `action`, and retry it with growing pauses: a few times after Unavailable or Raced, or with `until_success`
    without limit after any error, even a defect of Souche. Returns why it failed, or None if it succeeded.

    While the database is unavailable or its writers are busy, retries have no limit and do not count. An undo could not
    be recorded either. A commit whose answer was lost may have succeeded, and clients may have seen its records, so it
    must not be undone: after a lost answer, Raced has no limit either.

    Retries without limit are logged whenever the number of attempts doubles, and at least every hour."""
    attempts = others = 0
    waited_for: tuple[type[Exception], ...] = (RecordsUnavailable, WritersBusy)
    while True:
        try:
            action()
        except engine.BrokenOff:
            raise
        except Exception as error:
            attempts += 1
            if isinstance(error, RecordsUnavailable):
                waited_for = (RecordsUnavailable, WritersBusy, Raced)
            without_end = until_success or isinstance(error, waited_for)
            others += not without_end
            passing = isinstance(error, Unavailable | Raced) and others < ATTEMPTS_WHEN_UNAVAILABLE
            if not (without_end or passing):
                return engine.reason_of(error)
            if _is_told(attempts):
                reason = PLAIN.fill(engine.reason_of(error))
                log.warning("step failed, will be tried again", reason=reason, attempts=attempts)
        else:
            return None
        pause(pause_seconds(attempts))


def _is_told(attempts: int) -> bool:
    """Whether to log this attempt: the 1st, 2nd, 4th, ... and every 120th, after an hour."""
    return attempts & (attempts - 1) == 0 or attempts % TOLD_ATTEMPTS == 0


def pause_seconds(attempts: int) -> float:
    """How long to wait after this many attempts."""
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempts - 1, 16), LONGEST_PAUSE_SECONDS)


def log_failure(error: Exception, event: str, **fields: object) -> None:
    """Log a failure of the records, in one line if the database is away or busy."""
    if isinstance(error, Unavailable):
        log.warning(event, reason=str(error), **fields)
    else:
        log.error(event, exc_info=error, **fields)
