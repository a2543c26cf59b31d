"""One row of the known differences from the real service."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One row. `where`: the action, parameter or field."""

    where: str
    here: str
    why: str
