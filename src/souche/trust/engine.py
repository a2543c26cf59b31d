"""The contract of an engine that examines disks. `tests/trust/contract.py` is its suite."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from souche.model.image_reports import Examination
from souche.trust import guidelines
from souche.trust.codes import finding


@dataclass(frozen=True)
class Facts:
    """Facts about an image other than its disks: its declared boot modes, and the day of the examination."""

    boot_modes: tuple[str, ...]
    today: date


class Engine(Protocol):
    """Examines the disks of an image. It changes nothing, and keeps nothing."""

    @property
    def name(self) -> str:
        """Its name in reports."""
        ...

    def missing(self) -> str | None:
        """What this machine lacks for it, in words; None: nothing."""
        ...

    def examine(self, disks: Sequence[str], facts: Facts) -> Examination:
        """Examine the disks that the NBD URIs serve, the root's first. Unreadable parts are findings of the code
        `unreadable`: the contents of disks never cause an exception.

        Raises:
            ProgramMissing: this machine lacks what it needs.
        """
        ...


def unreadable(engine: str, why: str, *, other: bool = False) -> Examination:
    """The result for disks that could not be examined."""
    findings = (finding("unreadable", "", why),)
    return Examination(engine, "", findings, guidelines.judged((), ()), other)


class NoEngine:
    """An engine that examines nothing; each report mentions it."""

    name = "none"

    def missing(self) -> str | None:
        return "an engine"

    def examine(self, disks: Sequence[str], facts: Facts) -> Examination:  # noqa: ARG002
        return unreadable(self.name, "This region has no engine that inspects disks.")
