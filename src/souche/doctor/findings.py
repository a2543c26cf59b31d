"""What the checks of `souche doctor` look at, and what they find."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from souche.run import PATH


class State(StrEnum):
    """WARNING: Souche works, slower or without something. MISSING: something does not work at all."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True)
class Machine:
    """The places to check: the region's home (None: not given), the root of the file system, the search path of
    programs, Python's version, and the server of the region's records. `database` checks that server and describes it;
    it returns None if there is none, and raises SystemFailure."""

    home: Path | None = None
    root: Path = Path("/")
    program_path: str = PATH
    python: tuple[int, int] = sys.version_info[:2]
    database: Callable[[], str | None] = lambda: None


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    state: State
    detail: str


@dataclass(frozen=True)
class Check:
    """A row of the table: the check's name, its subject, its remedy, and its function."""

    name: str
    looks_at: str
    remedy: str
    look: Callable[[Machine], Finding]


@dataclass(frozen=True)
class Result:
    """The finding of a check; `remedy` is empty if everything is right."""

    name: str
    state: State
    detail: str
    remedy: str


def ok(detail: str) -> Finding:
    """Nothing is wrong."""
    return Finding(State.OK, detail)


def missing(detail: str) -> Finding:
    """Something does not work."""
    return Finding(State.MISSING, detail)


def warning(detail: str) -> Finding:
    """Souche works, slower or without something."""
    return Finding(State.WARNING, detail)
