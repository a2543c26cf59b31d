"""What the records say of a whole region, in numbers, for its operator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class UnderWay:
    """The operations of a workflow that have not ended. `oldest_seconds`: since the oldest was requested."""

    workflow: str
    count: int
    oldest_seconds: float


@dataclass(frozen=True)
class Figures:
    """`vms`: how many there are by state, those terminated within the last hour among them. `under_way`: work that was
    requested and has not ended, the oldest first."""

    vms: Mapping[str, int]
    under_way: Sequence[UnderWay]
