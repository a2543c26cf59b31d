"""What is wrong in the folder is logged by name when it is first met, and not again by every round of a sweep."""

from functools import lru_cache
from pathlib import Path
from typing import Final

import structlog

REMEMBERED: Final = 10_000

log = structlog.get_logger()


@lru_cache(REMEMBERED)
def set_aside(name: str, problem: str) -> None:
    """Something is left as it is, and the work goes on with the rest."""
    log.error("set aside, the rest goes on", name=name, problem=problem)


def remove(path: Path) -> None:
    """Remove a file; gone already is success. What cannot be removed, such as a folder that somebody has put there,
    holds up nothing else."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        set_aside(path.name, f"cannot be removed: {error.strerror}")
