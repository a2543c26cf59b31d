"""What a volume store has."""

from dataclasses import dataclass

from souche.storage.base import VolumeStore


@dataclass(frozen=True)
class Inventory:
    """All ids in a store, without its trash."""

    volume_ids: frozenset[str]
    snapshot_ids: frozenset[str]


def inventory_of(store: VolumeStore) -> Inventory:
    """The present one."""
    return Inventory(frozenset(store.disk_ids("volume")), frozenset(store.disk_ids("snapshot")))
