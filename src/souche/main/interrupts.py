"""How signals end a command."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

ENDS: Final = (signal.SIGTERM, signal.SIGHUP)
SIGNALLED: Final = 128
"""A shell's status of what a signal has ended is this and the signal's number."""


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Signals that end a command raise in it, as Ctrl-C does: what it staged is removed, and what it started ends."""
    ends = [number for number in ENDS if signal.getsignal(number) == signal.SIG_DFL and _is_main_thread()]
    for number in ends:
        signal.signal(number, _leave)
    try:
        yield
    finally:
        for number in ends:
            signal.signal(number, signal.SIG_DFL)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _leave(number: int, _frame: object) -> None:
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(SIGNALLED + number)
