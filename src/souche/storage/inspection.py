"""The state of a volume store, for `souche fsck`. Reads during other work, and changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from souche.model.disks import DiskSource


@dataclass(frozen=True)
class StoreFault:
    """A fault of the store. `code` names the kind and never changes. `resource_id` is the volume or snapshot concerned,
    or the name of the file. `leftover`: harmless, and `collect` removes it."""

    code: str
    resource_id: str
    text: str
    leftover: bool = False


@dataclass(frozen=True)
class StoreState:
    """The result: the virtual sizes of the readable disks, in bytes, by id; the ids of all named disks; for each
    volume, the files to which a running guest may write (the first is that of its next start); the faults."""

    volume_bytes: Mapping[str, int]
    snapshot_bytes: Mapping[str, int]
    volume_ids: frozenset[str]
    snapshot_ids: frozenset[str]
    sources: Mapping[str, Sequence[DiskSource]]
    faults: Sequence[StoreFault]


class StoreInspector(Protocol):
    def inspect(self) -> StoreState:
        """Check everything except the bytes. Concurrent changes may look like faults, so look twice."""
        ...

    def compare(self) -> Sequence[StoreFault]:
        """Read all immutable layers and compare them with their recorded hashes."""
        ...
