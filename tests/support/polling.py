"""Waits for a condition, with a deadline."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.02


def eventually(look: Callable[[], T | None], timeout_seconds: float = 20) -> T:
    """The result of `look` once it is true. The test fails after the deadline."""
    deadline = time.monotonic() + timeout_seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not so after {timeout_seconds} s"
        threading.Event().wait(PAUSE_SECONDS)
    return seen
