"""Signals that end a command."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

ENDS: Final = (signal.SIGTERM, signal.SIGHUP)
SIGNALLED: Final = 128
"""A shell's exit status after a signal is this plus the signal's number."""


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Makes signals raise in a command, as Ctrl-C does: its staged files are removed, and its programs end."""
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
