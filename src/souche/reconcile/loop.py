"""Runs the sweeps: each in a thread of its own, at its interval, so that one that takes long keeps no other
waiting. A hint makes the next round of those that heed it come at once."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from souche.errors import SoucheError

CLOSE_SECONDS = 2.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Sweep:
    """One idempotent sweep and how often, in seconds, it is to run. `on_hint`: also when something has changed."""

    name: str
    run: Callable[[], None]
    interval_seconds: float
    on_hint: bool = False


class SweepLoop:
    """All sweeps of a region. One that fails is logged and tried again at its next turn."""

    def __init__(self, sweeps: Sequence[Sweep]) -> None:
        self._rounds = [_Rounds(sweep) for sweep in sweeps]

    def start(self) -> None:
        """Start the threads; the first round of each begins at once."""
        for rounds in self._rounds:
            rounds.start()

    def hint(self) -> None:
        """Something may have changed: do the sweeps that heed it now."""
        for rounds in self._rounds:
            rounds.hint()

    def close(self) -> None:
        """End the threads. A sweep that takes long is not waited for: it ends with the process, and may."""
        for rounds in self._rounds:
            rounds.end()
        for rounds in self._rounds:
            rounds.join(CLOSE_SECONDS)


class _Rounds:
    """The thread of one sweep."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._wake = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._work, name=f"sweep-{sweep.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hint(self) -> None:
        if self._sweep.on_hint:
            self._wake.set()

    def end(self) -> None:
        self._ending = True
        self._wake.set()

    def join(self, timeout_seconds: float) -> None:
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _work(self) -> None:
        while not self._ending:
            self._wake.clear()
            _run(self._sweep)
            if not self._ending:
                self._wake.wait(self._sweep.interval_seconds)


def _run(sweep: Sweep) -> None:
    try:
        sweep.run()
    except SoucheError as error:
        log.warning("sweep failed", sweep=sweep.name, reason=str(error))
    except Exception:
        log.exception("sweep broke", sweep=sweep.name)
