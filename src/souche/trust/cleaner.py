"""The contract of what cleans disks (docs/trust.md, "Clean images")."""

from collections.abc import Callable, Sequence
from typing import Protocol

from souche.errors import ProgramMissing
from souche.model.image_cleanings import Cleaned
from souche.trust.engine import Facts

OnProgress = Callable[[int], None]
"""Told how far it is, in percent, and called again and again; what it raises ends the work."""


class Cleaner(Protocol):
    """Removes from disks what their author has left."""

    @property
    def name(self) -> str:
        """As records name it."""
        ...

    def clean(self, disks: Sequence[str], facts: Facts, on_progress: OnProgress) -> Cleaned:
        """Clean the disks that the NBD URIs serve, the root's first; they are written to. What was done is in them when
        this returns. Where it raises they may be in any state.

        Raises:
            CannotClean: they have no Linux system that can be read. ProgramMissing: this machine lacks what it needs.
        """
        ...


class NoCleaner:
    """Stands where there is none."""

    name = "none"

    def clean(self, disks: Sequence[str], facts: Facts, on_progress: OnProgress) -> Cleaned:  # noqa: ARG002
        raise ProgramMissing(program="python3-guestfs")
