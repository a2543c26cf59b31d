"""Figures of a whole region from its records, for its operator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class UnderWay:
    """The unfinished operations of a workflow. `oldest_seconds`: since the oldest was requested."""

    workflow: str
    count: int
    oldest_seconds: float


@dataclass(frozen=True)
class Figures:
    """`vms`: how many there are by state, including those terminated within the last hour. `under_way`: unfinished
    work, the oldest first."""

    vms: Mapping[str, int]
    under_way: Sequence[UnderWay]
