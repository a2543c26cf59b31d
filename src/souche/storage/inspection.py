"""What a volume store is found to be in: for `souche fsck`, which reads while others work in it, and changes
nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from souche.model.disks import DiskSource


@dataclass(frozen=True)
class StoreFault:
    """Something that is not as it should be. `code` names the kind for good. `resource_id` is of the volume or the
    snapshot that it concerns, or the name of what lies there. `leftover`: nothing is lost or in the way, and `collect`
    removes it."""

    code: str
    resource_id: str
    text: str
    leftover: bool = False


@dataclass(frozen=True)
class StoreState:
    """What was found: the sizes in bytes, as a guest sees them, of the disks that can be read, by id; the ids of all
    that are named; where a running guest may write each volume (the first is where its next start will); the faults."""

    volume_bytes: Mapping[str, int]
    snapshot_bytes: Mapping[str, int]
    volume_ids: frozenset[str]
    snapshot_ids: frozenset[str]
    sources: Mapping[str, Sequence[DiskSource]]
    faults: Sequence[StoreFault]


class StoreInspector(Protocol):
    def inspect(self) -> StoreState:
        """Look at everything but the bytes; what changes meanwhile may look like a fault, so look twice."""
        ...

    def compare(self) -> Sequence[StoreFault]:
        """Read everything that never changes, and compare it with the hashes that were recorded."""
        ...
