"""What `souche fsck` tells, and how it is mended."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from souche.clock import Clock
from souche.db.store import Store
from souche.storage.base import VolumeStore


class Level(StrEnum):
    """FAULT: something is not as it should be. LEFTOVER: nothing is lost or in the way, and a sweep of the region's
    server removes it by itself, within a minute or at its next start."""

    FAULT = "fault"
    LEFTOVER = "leftover"


@dataclass(frozen=True)
class Tools:
    """What a region that is not served is mended with."""

    store: Store
    volumes: VolumeStore
    clock: Clock


@dataclass(frozen=True)
class Repair:
    """How a finding is mended: in words, and the act itself, which may be done again."""

    text: str
    act: Callable[[Tools], None]


@dataclass(frozen=True)
class Finding:
    """Something found. `code` names the kind for good: programs go by it. `repair` is None for what only an operator
    can mend, from a backup most often; `advice` then says so."""

    code: str
    resource_id: str
    text: str
    level: Level = Level.FAULT
    repair: Repair | None = None
    advice: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What it is the same by when it is looked for again."""
        return self.code, self.resource_id
