"""The space of all layers on the medium, and the ids that use them.

Links and headers are read without the store's lock. Concurrent changes may be counted before, after, or not at all.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from souche.storage.base import StoreFigures
from souche.storage.qcow2.directory import BLOCK_BYTES, Directory


def stock(directory: Directory) -> StoreFigures:
    """See `VolumeStore.stock`."""
    volumes, snapshots = directory.volumes.all(), directory.snapshots.all()
    trashed = {each: layer for trash in directory.trash.values() for each, layer in trash.all().items()}
    chains = _Chains(directory)
    users: defaultdict[str, set[str]] = defaultdict(set)
    for tops in (volumes, snapshots, trashed):
        for resource_id, top in tops.items():
            for layer in chains.below(top):
                users[layer].add(resource_id)
    taken = _bytes_taken(directory)
    shares: Counter[frozenset[str]] = Counter()
    for layer, size_bytes in taken.items():
        shares[frozenset(users[layer])] += size_bytes
    files = {volume_id: len(chains.below(top)) for volume_id, top in volumes.items()}
    return StoreFigures(shares, files, len(taken), frozenset(trashed))


def _bytes_taken(directory: Directory) -> Mapping[str, int]:
    """The space of each layer on the medium."""
    taken = {}
    for path in directory.layers.iterdir():
        try:
            taken[path.name] = path.stat().st_blocks * BLOCK_BYTES
        except FileNotFoundError:  # removed meanwhile
            continue
    return taken


class _Chains:
    """The backing file of each layer. Reads each header once."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._known: dict[str, str | None] = {}

    def below(self, top: str) -> Collection[str]:
        """A layer and all known layers below it."""
        walked: dict[str, None] = {}
        layer: str | None = top
        while layer is not None and layer not in walked:
            walked[layer] = None
            layer = self._backing(layer)
        return walked

    def _backing(self, layer: str) -> str | None:
        if layer not in self._known:
            self._known[layer] = self._directory.backing(layer)
        return self._known[layer]
