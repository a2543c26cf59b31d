"""The contract of a cleaner of disks (docs/trust.md, "Clean images")."""

from collections.abc import Callable, Sequence
from typing import Protocol

from souche.errors import ProgramMissing
from souche.model.image_cleanings import Cleaned
from souche.trust.engine import Facts

OnProgress = Callable[[int], None]
"""Called repeatedly with the progress in percent. If it raises, the work ends."""


class Cleaner(Protocol):
    """Removes an author's traces from disks."""

    @property
    def name(self) -> str:
        """Its name in records."""
        ...

    def clean(self, disks: Sequence[str], facts: Facts, on_progress: OnProgress) -> Cleaned:
        """Clean the disks that the NBD URIs serve, the root's first, by writing to them. On return the changes are on
        the disks. After an error they may be in any state.

        Raises:
            CannotClean: they have no readable Linux system.
            ProgramMissing: this machine lacks a program.
        """
        ...


class NoCleaner:
    """A cleaner that refuses everything."""

    name = "none"

    def clean(self, disks: Sequence[str], facts: Facts, on_progress: OnProgress) -> Cleaned:  # noqa: ARG002
        raise ProgramMissing(program="python3-guestfs")
