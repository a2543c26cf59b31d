"""The space of snapshots on the medium: each layer counts for every disk that has it in its chain."""

from collections.abc import Collection, Iterable

from souche.storage.base import Usage
from souche.storage.qcow2.chains import Chains
from souche.storage.qcow2.directory import Directory


def usage(directory: Directory, snapshot_ids: Collection[str]) -> Usage:
    """See `VolumeStore.usage`. Under the store's lock."""
    snapshots = directory.snapshots.all()
    chains = Chains(directory, directory.current_layers())
    wanted = _layers(chains, (layer for each, layer in snapshots.items() if each in snapshot_ids))
    others = [layer for each, layer in snapshots.items() if each not in snapshot_ids]
    trashed = (layer for pointers in directory.trash.values() for layer in pointers.all().values())
    taken = _layers(chains, [*others, *directory.volumes.all().values(), *trashed])
    return Usage(directory.bytes_of(wanted - taken), directory.bytes_of(wanted & taken))


def _layers(chains: Chains, tops: Iterable[str]) -> set[str]:
    return {layer for top in set(tops) for layer in chains.chain(top).layers}
