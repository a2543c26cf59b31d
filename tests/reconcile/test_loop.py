import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from souche.errors import StorageFailed
from souche.reconcile import loop as loop_of_sweeps
from souche.reconcile.loop import Alone, Sweep, SweepLoop, Swept, always
from tests.support.polling import eventually

FOR_EVER = 3600.0


@dataclass
class Counted:
    """Counts its runs; fails each time with `error`."""

    error: Exception | None = None
    runs: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self) -> None:
        self.runs.release()
        if self.error is not None:
            raise self.error

    def ran(self, timeout_seconds: float = 10) -> bool:
        return self.runs.acquire(timeout=timeout_seconds)


@contextmanager
def looping(*sweeps: Sweep, alone: Alone = always) -> Iterator[SweepLoop]:
    loop = SweepLoop(sweeps, alone)
    loop.start()
    try:
        yield loop
    finally:
        loop.close()


def test_first_round_comes_at_once_and_others_at_their_interval() -> None:
    often, seldom = Counted(), Counted()
    with looping(Sweep("often", often, 0.01), Sweep("seldom", seldom, FOR_EVER)):
        assert all(often.ran() for _ in range(3))
        assert seldom.ran()
        assert not seldom.ran(0.05)


def test_hint_wakes_those_that_heed_it() -> None:
    heeding, deaf = Counted(), Counted()
    with looping(Sweep("heeding", heeding, FOR_EVER, on_hint=True), Sweep("deaf", deaf, FOR_EVER)) as loop:
        assert heeding.ran()
        assert deaf.ran()
        loop.hint()
        assert heeding.ran()
        assert not deaf.ran(0.05)


@pytest.mark.parametrize("error", [StorageFailed(reason="no"), RuntimeError("a defect")])
def test_sweep_that_fails_goes_on(error: Exception) -> None:
    failing = Counted(error)
    with looping(Sweep("failing", failing, 0.01)):
        assert all(failing.ran() for _ in range(3))


@pytest.mark.parametrize("error", [StorageFailed(reason="no"), RuntimeError("a defect")])
def test_sweep_that_keeps_failing_is_logged_once_and_tried_ever_more_seldom(error: Exception) -> None:
    """Until it goes again: then at its interval, and the next failure is logged. The store that was absent filled the
    log every second."""
    counted = Counted(error)
    with capture_logs() as logged, looping(Sweep("failing", counted, 0.01)):
        begun = [time.monotonic() for _ in range(8) if counted.ran()]
        assert begun[7] - begun[6] > 0.2
        assert [line["log_level"] for line in logged] in (["warning"], ["error"])
        counted.error = None
        assert all(counted.ran() for _ in range(4))
        assert logged[-1]["event"] == "sweep works again"
        counted.error = error
        assert all(counted.ran() for _ in range(2))
        eventually(lambda: len(logged) == 3)


def test_slow_sweep_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It delays neither the other sweeps nor the end, which does not wait for it."""
    monkeypatch.setattr("souche.reconcile.loop.CLOSE_SECONDS", 0.05)
    release = threading.Event()
    begun = threading.Event()

    def slow() -> None:
        begun.set()
        release.wait(30)

    quick = Counted()
    with looping(Sweep("slow", slow, FOR_EVER), Sweep("quick", quick, 0.01)):
        assert begun.wait(10)
        assert all(quick.ran() for _ in range(3))
    release.set()


def test_loop_ends_before_it_began_too() -> None:
    SweepLoop([Sweep("never", Counted(), FOR_EVER)]).close()


def test_a_sweep_of_the_region_leaves_out_its_round_while_another_process_does_it() -> None:
    asked, others = list[str](), [True, True, False]

    @contextmanager
    def alone(name: str) -> Iterator[bool]:
        asked.append(name)
        yield not others.pop(0) if others else False

    of_region, of_process = Counted(), Counted()
    sweeps = (Sweep("of region", of_region, 0.01, of_region=True), Sweep("of process", of_process, 0.01))
    with looping(*sweeps, alone=alone):
        assert of_region.ran()
        eventually(lambda: len(asked) > 5)
        assert not of_region.ran(0)
        assert all(of_process.ran() for _ in range(3))
    assert set(asked) == {"sweep of region"}


def test_the_report_has_the_last_success_and_the_failures_of_each_sweep() -> None:
    good, bad = Counted(), Counted(StorageFailed(reason="no disk"))
    before = time.time()
    with looping(Sweep("good", good, FOR_EVER), Sweep("bad", bad, FOR_EVER)) as loop:

        def ended() -> list[Swept]:
            return [each for each in loop.report() if each.last_success or each.failures]

        eventually(lambda: len(ended()) == 2)
        found = {each.name: each for each in ended()}
    assert found["good"].interval_seconds == FOR_EVER
    assert before <= (found["good"].last_success or 0) <= time.time()
    assert (found["good"].failures, found["bad"].failures, found["bad"].last_success) == (0, 1, None)


def test_the_interval_grows_with_what_a_round_takes() -> None:
    """At 40,000 disk files, a collection every ten seconds held the lock of the disks half of the time."""
    limited = Sweep("limited", lambda: None, 10.0, most_share=0.05)
    assert limited.pause_after(0.5) == 10.0
    assert limited.pause_after(5) == pytest.approx(95)
    assert Sweep("unlimited", lambda: None, 10.0).pause_after(50) == 10.0


def test_the_report_has_the_grown_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    began_and_ended = iter([100.0, 105.0])
    clock = SimpleNamespace(monotonic=lambda: next(began_and_ended), time=lambda: 1.0)
    monkeypatch.setattr(loop_of_sweeps, "time", clock)
    with looping(Sweep("slow", Counted(), 10.0, most_share=0.05)) as loop:
        (report,) = eventually(lambda: [each for each in loop.report() if each.last_success])
    assert report.interval_seconds == pytest.approx(95)
