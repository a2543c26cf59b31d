"""The findings of `souche fsck`, and their repairs."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from souche.clock import Clock
from souche.db.store import Store
from souche.storage.base import VolumeStore


class Level(StrEnum):
    """FAULT: something is wrong. LEFTOVER: harmless; a sweep of the region's server removes it within a minute or at
    its next start."""

    FAULT = "fault"
    LEFTOVER = "leftover"


@dataclass(frozen=True)
class Tools:
    """The tools to repair a region that is not served."""

    store: Store
    volumes: VolumeStore
    clock: Clock


@dataclass(frozen=True)
class Repair:
    """A repair: in words, and the idempotent act itself."""

    text: str
    act: Callable[[Tools], None]


@dataclass(frozen=True)
class Finding:
    """A finding. `code` names the kind and never changes: programs use it. `repair` is None if only an operator can
    repair it, most often from a backup; `advice` then says so."""

    code: str
    resource_id: str
    text: str
    level: Level = Level.FAULT
    repair: Repair | None = None
    advice: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Identifies the same finding in another look."""
        return self.code, self.resource_id
