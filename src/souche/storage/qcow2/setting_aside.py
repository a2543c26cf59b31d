"""Faults in the folder are logged once by name, and not again in every round of a sweep."""

from functools import lru_cache
from pathlib import Path
from typing import Final

import structlog

REMEMBERED: Final = 10_000

log = structlog.get_logger()


@lru_cache(REMEMBERED)
def set_aside(name: str, problem: str) -> None:
    """Log a fault that is left unchanged while the work continues."""
    log.error("set aside, the rest goes on", name=name, problem=problem)


def remove(path: Path) -> None:
    """Remove a file; a missing one is success. Logs anything that cannot be removed, such as a folder in its place."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        set_aside(path.name, f"cannot be removed: {error.strerror}")
