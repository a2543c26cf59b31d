"""Waiting for something to come true, with a deadline."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.02


def eventually(look: Callable[[], T | None], timeout_seconds: float = 20) -> T:
    """What `look` returns once it is true; after the deadline the test fails."""
    deadline = time.monotonic() + timeout_seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not so after {timeout_seconds} s"
        threading.Event().wait(PAUSE_SECONDS)
    return seen
