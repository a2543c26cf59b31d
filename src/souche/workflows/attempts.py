"""Tries a step again while what it needs is away."""

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
    """Run `action`, trying again with growing pauses: after Unavailable or Raced a few times, or with `until_success`
    after any error, a defect of Souche included, and without end. Returns why it failed; None: it did not.

    Without end also as long as the database is away, or is back and busy: a commit whose answer was lost may have been
    made, and what it recorded may have been seen, so it must not be undone. These tries do not count as the few.

    What is tried without end is logged at growing intervals, as its attempts double, and every hour at least."""
    attempts = others = 0
    waited_for: tuple[type[Exception], ...] = (RecordsUnavailable,)
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
    """Whether the log has this attempt: the 1st, 2nd, 4th, ... and every 120th, after an hour."""
    return attempts & (attempts - 1) == 0 or attempts % TOLD_ATTEMPTS == 0


def pause_seconds(attempts: int) -> float:
    """How long to wait after this many attempts."""
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempts - 1, 16), LONGEST_PAUSE_SECONDS)
