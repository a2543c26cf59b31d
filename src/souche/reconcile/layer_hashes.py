"""Computes the hashes of frozen disks in the background (a capture takes constant time), and compares them later. The
reading rate is limited, so that guests do not slow down."""

from typing import Final

from souche.room import MIB
from souche.workflows.parts import Parts

RECORDED_PER_SECOND: Final = 32.0 * MIB
COMPARED_PER_SECOND: Final = 4.0 * MIB
"""A TiB in three days."""


def record(parts: Parts) -> None:
    """Hash new layers."""
    parts.volumes.record_hashes(RECORDED_PER_SECOND)


def compare(parts: Parts) -> None:
    """Compare the layer with the oldest last comparison."""
    parts.volumes.compare_hashes(COMPARED_PER_SECOND)
