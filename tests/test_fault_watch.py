"""What counts as a life that hangs."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tools.faults import watch
from tools.faults.watch import SLEPT_LOOKS, Watch

from tests.support.polling import eventually

SLEEPS = "import time; time.sleep(600)"
STARTS = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {'while True: pass'!r}])"


@contextmanager
def _running(program: str) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    try:
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _looks(process_id: int) -> bool:
    watched = Watch(process_id)
    return any(watched.hangs() for _ in range(2 * SLEPT_LOOKS))


def test_a_process_that_only_sleeps_hangs() -> None:
    with _running(SLEEPS) as process_id:
        eventually(lambda: _looks(process_id))


def test_one_whose_program_wants_a_processor_does_not() -> None:
    with _running(STARTS) as process_id:
        eventually(lambda: "R" in watch._states(process_id))
        assert not _looks(process_id)


def test_one_that_computes_for_ever_hangs() -> None:
    with _running("while True: pass") as process_id:
        eventually(lambda: watch.computed_seconds(process_id) > 0.05)
        assert not Watch(process_id).hangs()
        assert Watch(process_id, most_seconds=0.05).hangs()
