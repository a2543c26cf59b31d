"""Removing what nothing names, and keeping chains short.

A chain that is too long is shortened near its lower end: the layer at depth `max_chain // 2 + 2`, counted
from the bottom, takes in what the layers between it and the lowest hold, and then stands on the lowest.

Why so, and not by a full copy: the lowest layer is most often an image that many volumes share, and by far
the largest; it stays shared. Why not right below the volume's own file: what lies low is shared by the most
chains, so one merge shortens them all, and it is written once, not once a volume. A merge copies no more than
what was written above the image.

The merged file has the same bytes as the layer that it replaces, under the same name, so a running guest that
has the old one open and later comes back by name reads the same. A volume's current file is never replaced.
Layers that a merge left unnamed are removed by the next collection only: a program that is just opening the
chain, name by name, still finds them.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import structlog

from souche import run
from souche.errors import SystemFailure
from souche.storage.qcow2 import argv
from souche.storage.qcow2.directory import LONG_SECONDS, SHORT_SECONDS, Directory
from souche.storage.qcow2.durable import sync_file
from souche.storage.qcow2.journal import Journal

SHORTEST_BOUND: Final = 3

log = structlog.get_logger()


def collect(directory: Directory, journal: Journal, max_chain: int) -> int:
    """See `VolumeStore.collect`. Merges run without the store's lock; one that fails is logged and left for
    the next collection."""
    directory.scratch.sweep()
    with journal.settled():
        _remove_unnamed(directory, journal)
    _shorten_chains(directory, journal, max(max_chain, SHORTEST_BOUND))
    with directory.locked():
        return directory.bytes_in_use()


def _remove_unnamed(directory: Directory, journal: Journal) -> None:
    directory.volumes.sweep()
    directory.snapshots.sweep()
    journal.sweep()
    named = {layer for chain in _chains(directory, journal) for layer in chain}
    for path in directory.layers.iterdir():
        if path.name not in named:
            path.unlink()


def _chains(directory: Directory, journal: Journal) -> Iterator[list[str]]:
    """The chain below everything that has a name, without duplicates. Reads each header once."""
    overlays = {move.overlay for move in journal.open_moves()}
    roots = overlays | set(directory.volumes.all().values()) | set(directory.snapshots.all().values())

    @cache
    def below(layer: str) -> str | None:
        return directory.header(layer).backing_file

    return (_chain(root, below) for root in sorted(roots))


def _chain(layer: str, below: Callable[[str], str | None]) -> list[str]:
    """A layer and all that it stands on, the lowest last."""
    names = [layer]
    while (lower := below(names[-1])) is not None:
        names.append(lower)
    return names


def _shorten_chains(directory: Directory, journal: Journal, max_chain: int) -> None:
    failed: set[str] = set()
    while (merge := _next_merge(directory, journal, max_chain, failed)) is not None:
        layer, lowest = merge
        try:
            _merge(directory, layer, lowest)
        except (OSError, SystemFailure) as error:
            log.warning("layer not merged", layer=layer, error=str(error))
            failed.add(layer)


def _next_merge(
    directory: Directory, journal: Journal, max_chain: int, failed: set[str]
) -> tuple[str, str] | None:
    """A layer that is to be put onto another, the lowest of its chain; None if no chain is too long."""
    with journal.settled():
        written = set(directory.volumes.all().values()) | {move.layer for move in journal.open_moves()}
        for chain in _chains(directory, journal):
            if len(chain) > max_chain:
                layer = chain[-(max_chain // 2 + 2)]
                if layer not in written | failed:
                    return layer, chain[-1]
    return None


def _merge(directory: Directory, layer: str, lowest: str) -> None:
    """Replace a layer by one of equal content that stands on the lowest of its chain.

    No image lock is overridden: if a guest still writes to the layer (see `journal`), qemu-img refuses.
    """
    size_bytes = directory.header(layer).virtual_size_bytes
    before = directory.path(layer).stat().st_ino
    with directory.scratch.place() as place:
        merged = place / "merged.qcow2"
        run.run(
            argv.create_overlay(merged, str(directory.path(layer)), size_bytes), timeout_seconds=SHORT_SECONDS
        )
        run.run(argv.rebase(merged, directory.path(lowest)), timeout_seconds=LONG_SECONDS)
        run.run(argv.rename_backing(merged, lowest), timeout_seconds=SHORT_SECONDS)
        sync_file(merged)
        with directory.locked():
            if _is_same(directory, layer, before):
                directory.replace(layer, merged)


def _is_same(directory: Directory, layer: str, inode: int) -> bool:
    """Whether nobody else merged or removed the layer meanwhile."""
    path = directory.path(layer)
    return path.exists() and path.stat().st_ino == inode
