"""Runs the sweeps, each in its own thread and at its own interval, so that a slow one delays no other. A hint starts
the next round of some sweeps immediately."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from souche.errors import SoucheError

CLOSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 15.0
"""between two attempts of a failing sweep, unless its interval is longer"""

log = structlog.get_logger()


@dataclass(frozen=True)
class Sweep:
    """An idempotent sweep and its interval in seconds. `on_hint`: it also runs after a hint. `of_region`: only one
    process runs it at a time; the others skip their round. `most_share`: the largest share of its time that it may run;
    for a sweep whose rounds take longer, the more the region holds, the interval grows. None: no limit."""

    name: str
    run: Callable[[], None]
    interval_seconds: float
    on_hint: bool = False
    of_region: bool = False
    most_share: float | None = None

    def pause_after(self, seconds: float) -> float:
        """The seconds between a round that took `seconds` and the next one."""
        return max(self.interval_seconds, seconds / self.most_share - seconds if self.most_share else 0)


@dataclass(frozen=True)
class Swept:
    """The rounds of a sweep in this process. `last_success`: the end of the last one that did not fail, or was left to
    another process, in seconds since the epoch; None: there was none. `interval_seconds`: until the next round, from
    the end of the last one that did not fail. `failures`: the number of failed rounds."""

    name: str
    interval_seconds: float
    last_success: float | None
    failures: int


Alone: TypeAlias = Callable[[str], AbstractContextManager[bool]]
"""Whether this process may run the sweep of this name, until the context ends."""


def always(_name: str) -> AbstractContextManager[bool]:
    """For a region with one process: no other can run the sweep."""
    return nullcontext(enter_result=True)


class SweepLoop:
    """All sweeps of a region. A failing sweep is retried at growing intervals. It is logged once while it fails for the
    same reason."""

    def __init__(self, sweeps: Sequence[Sweep], alone: Alone = always) -> None:
        self._rounds = [_Rounds(sweep, alone if sweep.of_region else always) for sweep in sweeps]

    def start(self) -> None:
        """Start the threads. The first rounds begin immediately."""
        for rounds in self._rounds:
            rounds.start()

    def hint(self) -> None:
        """Run the sweeps with `on_hint` now: something may have changed."""
        for rounds in self._rounds:
            rounds.hint()

    def report(self) -> list[Swept]:
        """The rounds of each sweep so far."""
        return [rounds.report() for rounds in self._rounds]

    def close(self) -> None:
        """End the threads, without waiting for slow sweeps: a sweep may be cut off at any moment."""
        for rounds in self._rounds:
            rounds.end()
        for rounds in self._rounds:
            rounds.join(CLOSE_SECONDS)


class _Rounds:
    """The thread of one sweep."""

    def __init__(self, sweep: Sweep, alone: Alone) -> None:
        self._sweep = sweep
        self._alone = alone
        self._wake = threading.Event()
        self._ending = False
        self._problem: str | None = None
        self._interval = sweep.interval_seconds
        self._pause = self._interval
        self._last_success: float | None = None
        self._failures = 0
        self._thread = threading.Thread(target=self._work, name=f"sweep-{sweep.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hint(self) -> None:
        if self._sweep.on_hint:
            self._wake.set()

    def end(self) -> None:
        self._ending = True
        self._wake.set()

    def report(self) -> Swept:
        return Swept(self._sweep.name, self._interval, self._last_success, self._failures)

    def join(self, timeout_seconds: float) -> None:
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _work(self) -> None:
        while not self._ending:
            self._wake.clear()
            self._round()
            if not self._ending:
                self._wake.wait(self._pause)

    def _round(self) -> None:
        began = time.monotonic()
        problem = self._run()
        if problem is None and self._problem is not None:
            log.info("sweep works again", sweep=self._sweep.name)
        failed_before, self._problem = self._problem is not None, problem
        if problem is None:
            self._interval = self._pause = self._sweep.pause_after(time.monotonic() - began)
            self._last_success = time.time()
            return
        self._failures += 1
        if failed_before:
            self._pause = max(self._sweep.interval_seconds, min(2 * self._pause, LONGEST_PAUSE_SECONDS))

    def _run(self) -> str | None:
        """Run one round. Returns the reason for a failure."""
        name = self._sweep.name
        try:
            with self._alone(f"sweep {name}") as is_alone:
                if is_alone:
                    self._sweep.run()
        except SoucheError as error:
            if str(error) != self._problem:
                log.warning("sweep failed", sweep=name, reason=str(error))
            return str(error)
        except Exception as error:
            if repr(error) != self._problem:
                log.exception("sweep broke", sweep=name)
            return repr(error)
        return None
