"""The hashes of frozen disks: computed in the background, as a capture takes constant time, and compared for as long
as the disk is kept. Both read at a bounded rate, which leaves the medium to the guests."""

from typing import Final

from souche.room import MIB
from souche.workflows.parts import Parts

RECORDED_PER_SECOND: Final = 32.0 * MIB
COMPARED_PER_SECOND: Final = 4.0 * MIB
"""A TiB in three days."""


def record(parts: Parts) -> None:
    """Hash what has been frozen or imported."""
    parts.volumes.record_hashes(RECORDED_PER_SECOND)


def compare(parts: Parts) -> None:
    """Look at what was looked at longest ago."""
    parts.volumes.compare_hashes(COMPARED_PER_SECOND)
