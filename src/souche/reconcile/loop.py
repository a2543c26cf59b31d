"""Runs the sweeps, each at its interval, in one thread; a hint makes the next round come at once."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from souche.errors import SoucheError

log = structlog.get_logger()


@dataclass(frozen=True)
class Sweep:
    """One idempotent sweep and how often, in seconds, it is to run."""

    name: str
    run: Callable[[], None]
    interval_seconds: float


class SweepLoop:
    """One thread for all sweeps. A sweep that fails is logged and tried again at its next turn."""

    def __init__(self, sweeps: Sequence[Sweep]) -> None:
        self._sweeps = sweeps
        self._wake = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._work, name="reconcile", daemon=True)

    def start(self) -> None:
        """Start the thread; the first round begins at once."""
        self._thread.start()

    def hint(self) -> None:
        """Something may have changed: do all sweeps now."""
        self._wake.set()

    def close(self) -> None:
        """End the thread after the sweep at hand."""
        self._ending = True
        self._wake.set()
        self._thread.join()

    def _work(self) -> None:
        due = dict.fromkeys(self._sweeps, 0.0)
        while not self._ending:
            hinted = self._wake.is_set()
            self._wake.clear()
            for sweep in self._sweeps:
                if hinted or time.monotonic() >= due[sweep]:
                    _run(sweep)
                    due[sweep] = time.monotonic() + sweep.interval_seconds
            self._wake.wait(max(0.0, min(due.values()) - time.monotonic()))


def _run(sweep: Sweep) -> None:
    try:
        sweep.run()
    except SoucheError as error:
        log.warning("sweep failed", sweep=sweep.name, reason=str(error))
