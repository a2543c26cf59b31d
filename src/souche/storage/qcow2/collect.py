"""Removes unnamed layers, and keeps chains short.

A chain that is too long is shortened near its lower end: the data of the layers between the lowest and the one at depth
`max_chain // 2 + 2`, counted from the bottom, is merged into the latter, whose backing file becomes the lowest.

A full copy would be worse: the lowest layer is usually an image that many volumes share, and by far the largest; it
stays shared. A merge right below the volume's own file would be worse too: low layers are shared by most chains, so one
merge shortens all of them, and writes the data once instead of once per volume. A merge copies at most the data written
above the image.

The merged file reads the same as the layer that it replaces, and has the same name. So a running guest that has the old
file open, and later reopens it by name, reads the same. A volume's current file is never replaced. The merged layers
are compared with their hashes first: the merged file gets a new hash, which would hide earlier changes.

A merge needs as much space as the layers between take, and waits if there is less: a long chain makes a volume slower,
not incorrect.

Layers that a merge has made unnamed are removed by the next collection only: a program that is just opening the chain,
name by name, still finds them.

A missing or damaged layer is logged, and its chain is left unchanged with its records. All other chains are collected
and shortened. The file that a volume writes to has no record: if it is missing or damaged, the layers below it are
unknown. Then all unnamed frozen layers stay, because one of them may be below it. So do all files made for that volume:
after an interrupted capture its guest may write to one without a record.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

import structlog

from souche import run
from souche.errors import OutOfSpace, StorageFailed, SystemFailure
from souche.room import Room
from souche.storage.qcow2 import argv
from souche.storage.qcow2.chains import Chain, Chains
from souche.storage.qcow2.directory import LONG_SECONDS, SHORT_SECONDS, Directory
from souche.storage.qcow2.hashes import compare_hash, spoil, unbounded
from souche.storage.qcow2.journal import Journal
from souche.storage.qcow2.records import OTHER_BYTES
from souche.storage.qcow2.setting_aside import remove, set_aside
from souche.synced import sync_file

SHORTEST_BOUND: Final = 3
NAMED: Final = 10
"""the largest number of layers in a line of the log"""

log = structlog.get_logger()


def collect(directory: Directory, journal: Journal, max_chain: int, room: Room, *, removing: bool) -> int:
    """See `VolumeStore.collect`. Merges run without the store's lock; one that fails is logged and left for
    the next collection."""
    directory.scratch.sweep()
    max_chain = max(max_chain, SHORTEST_BOUND)
    has_long = True
    if removing:
        with journal.settled():
            has_long = _remove_unnamed(directory, journal) > max_chain
    if has_long:  # else the headers need not be read again
        _shorten_chains(directory, journal, max_chain, room)
    with directory.locked():
        return directory.bytes_in_use()


def _remove_unnamed(directory: Directory, journal: Journal) -> int:
    """Remove what no id needs, and record layers. Returns the length of the longest chain, in layers."""
    for pointers in (directory.volumes, directory.snapshots, *directory.trash.values()):
        pointers.sweep()
    journal.sweep()
    chains = _all_chains(directory, journal)
    named = {layer for chain in chains for layer in chain.layers}
    if lost := [chain.layers[-1] for chain in chains if chain.is_lost]:
        named |= directory.records.names() | _made_beside(directory, lost)
    if journal.is_readable():
        for path in directory.layers.iterdir():
            if path.name not in named:
                remove(path)
        directory.records.sweep(named)
    _seal_older(directory, journal, chains)
    return max((len(chain.layers) for chain in chains), default=0)


def _made_beside(directory: Directory, lost: Collection[str]) -> set[str]:
    """The files made for the volumes of these layers, and their backing chains. A file's name begins with the volume's
    id."""
    volume_ids = {_volume_id(layer) for layer in lost}
    made = [path.name for path in directory.layers.iterdir() if _volume_id(path.name) in volume_ids]
    chains = Chains(directory, made)
    return {layer for name in made for layer in chains.chain(name).layers}


def _volume_id(layer: str) -> str:
    return layer.partition(".")[0]


def _seal_older(directory: Directory, journal: Journal, chains: Sequence[Chain]) -> None:
    """Create missing records of layers: the home is older than records, or has lost them."""
    writable = {move.layer for move in journal.open_moves()}
    snapshots = directory.snapshot_layers()
    unknown = {layer for chain in chains for layer in _frozen(directory, chain, snapshots)}
    unknown -= writable
    if not unknown:
        return
    first = sorted(unknown)[:NAMED]
    log.warning("layers have no record, their lengths are kept as they are", count=len(unknown), layers=first)
    try:
        directory.seal(sorted(unknown))
    except (OSError, SystemFailure) as error:
        log.warning("layers not recorded", error=str(error))


def _frozen(directory: Directory, chain: Chain, snapshots: Collection[str]) -> Iterator[str]:
    """The layers of a chain without a record that are certainly immutable: below a snapshot, or below a layer with
    data. A guest may still write below an empty overlay (see `journal`)."""
    if chain.faults or all(map(directory.records.knows, chain.layers)):
        return
    frozen = False
    for layer in chain.layers:
        frozen = frozen or layer in snapshots
        if frozen and not directory.records.knows(layer):
            yield layer
        frozen = frozen or not directory.is_unwritten(layer)


def _all_chains(directory: Directory, journal: Journal) -> list[Chain]:
    """The chain of every id, without duplicates. Logs faults."""
    moves = journal.open_moves()
    currents = directory.current_layers()
    roots = currents | {move.overlay for move in moves} | directory.snapshot_layers()
    seen = Chains(directory, currents | {layer for move in moves for layer in (move.layer, move.overlay)})
    chains = [seen.chain(root) for root in sorted(roots)]
    for chain in chains:
        for layer, fault in chain.faults.items():
            set_aside(layer, fault)
    return chains


def _shorten_chains(directory: Directory, journal: Journal, max_chain: int, room: Room) -> None:
    failed: set[str] = set()
    while layers := _next_merge(directory, journal, max_chain, failed):
        layer = layers[0]
        try:
            _merge(directory, layers, room)
        except OutOfSpace as error:
            log.info("no layer is merged", layer=layer, reason=str(error))
            return
        except (OSError, SystemFailure) as error:
            log.warning("layer not merged", layer=layer, error=str(error))
            failed.add(layer)


def _next_merge(directory: Directory, journal: Journal, max_chain: int, failed: set[str]) -> Sequence[str]:
    """The next layer to merge, the layers below it, and the lowest of its chain, its future backing file. Empty if no
    chain is too long."""
    with journal.settled():
        written = directory.current_layers() | {move.layer for move in journal.open_moves()}
        for chain in _all_chains(directory, journal):
            if len(chain.layers) > max_chain and not chain.faults:
                layers = chain.layers[-(max_chain // 2 + 2) :]
                if layers[0] not in written | failed:
                    return layers
    return ()


def _merge(directory: Directory, layers: Sequence[str], room: Room) -> None:
    """Replace a layer by one of equal content whose backing file is the lowest of its chain.

    No image lock is overridden: if a guest still writes to the layer (see `journal`), qemu-img refuses.
    """
    layer, *merged_in, lowest = layers
    size_bytes = directory.header(layer).virtual_size_bytes
    room.ask(directory.bytes_of((layer, *merged_in)))
    _check_bytes(directory, (layer, *merged_in))
    before = directory.path(layer).stat().st_ino
    with directory.scratch.place() as place:
        merged = place / "merged.qcow2"
        run.run(
            argv.create_overlay(merged, str(directory.path(layer)), size_bytes), timeout_seconds=SHORT_SECONDS
        )
        command = argv.rebase(merged, directory.path(lowest))
        run.run(command, timeout_seconds=LONG_SECONDS, watch=room.check)
        run.run(argv.rename_backing(merged, lowest), timeout_seconds=SHORT_SECONDS)
        sync_file(merged)
        with directory.locked():
            if _is_same(directory, layer, before):
                directory.replace(layer, merged)


def _check_bytes(directory: Directory, layers: Sequence[str]) -> None:
    """Refuse layers whose bytes differ from their hashes, for this merge and all later uses. Layers without a hash
    pass.

    Raises:
        StorageFailed.
    """
    for layer in layers:
        if compare_hash(directory, layer, unbounded) is False:
            spoil(directory, layer)
            raise StorageFailed(reason=f"layer {layer} {OTHER_BYTES}")


def _is_same(directory: Directory, layer: str, inode: int) -> bool:
    """Whether the layer was neither merged nor removed since."""
    path = directory.path(layer)
    return path.exists() and path.stat().st_ino == inode
