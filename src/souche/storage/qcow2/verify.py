"""Finds damaged and missing disks, without changing them."""

from collections.abc import Iterator, Mapping

from souche.storage.base import Fault
from souche.storage.qcow2.chains import Chain, Chains
from souche.storage.qcow2.directory import Directory
from souche.storage.qcow2.hashes import UNREADABLE, compare_hash, unbounded
from souche.storage.qcow2.journal import Journal
from souche.storage.qcow2.records import OTHER_BYTES


def verify(directory: Directory, journal: Journal, *, deep: bool) -> list[Fault]:
    """See `VolumeStore.verify`."""
    with directory.locked():
        chains = named_chains(directory, journal)
        found = [*_of_chains(chains), *_foreign(directory), *_of_journal(journal)]
    if deep:
        layers = sorted({layer for chain in chains.values() for layer in chain.layers})
        found += [
            Fault(_resources(chains, layer), f"layer {layer} {problem}")
            for layer in layers
            if (problem := _changed(directory, layer))
        ]
    return sorted(set(found), key=lambda fault: (fault.resource_ids, fault.problem))


def _changed(directory: Directory, layer: str) -> str | None:
    try:
        return OTHER_BYTES if compare_hash(directory, layer, unbounded) is False else None
    except OSError:
        return UNREADABLE


def named_chains(directory: Directory, journal: Journal) -> dict[str, Chain]:
    """The chain below every volume and snapshot, by its id. Under the store's lock."""
    volumes, snapshots = directory.volumes.all(), directory.snapshots.all()
    writable = {layer for move in journal.open_moves() for layer in (move.layer, move.overlay)}
    seen = Chains(directory, writable | set(volumes.values()))
    return {resource_id: seen.chain(layer) for resource_id, layer in {**volumes, **snapshots}.items()}


def _of_chains(chains: Mapping[str, Chain]) -> Iterator[Fault]:
    faults = {layer: fault for chain in chains.values() for layer, fault in chain.faults.items()}
    for layer, fault in faults.items():
        yield Fault(_resources(chains, layer), f"layer {layer} {fault}")


def _resources(chains: Mapping[str, Chain], layer: str) -> tuple[str, ...]:
    """The volumes and snapshots with a layer in their chains."""
    return tuple(sorted(resource_id for resource_id, chain in chains.items() if layer in chain.layers))


def _foreign(directory: Directory) -> Iterator[Fault]:
    for kind, pointers in (("volumes", directory.volumes), ("snapshots", directory.snapshots)):
        for name in pointers.foreign():
            yield Fault((), f"{name} among the {kind} is not a link")


def _of_journal(journal: Journal) -> Iterator[Fault]:
    for name in journal.damaged():
        yield Fault(
            (name.partition(".")[0],), f"the entry {name} in the journal of captures could not be read"
        )
