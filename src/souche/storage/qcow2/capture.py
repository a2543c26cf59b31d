"""Freezes volumes into snapshots at one instant, without copying data. `journal` explains why this survives crashes.

1. Under the store's lock: find the current file of each volume, record the lengths of the layers below it that an
   interrupted capture left unrecorded, make the overlays, write the journal entry.
2. Without the lock, because a guest agent can take seconds: one atomic switch of the running guest's disks.
3. Under the lock again: the lengths of the new layers are recorded, the entry becomes frozen, then the links are made.
   The snapshots exist from the second of these on.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from souche import run
from souche.errors import ComputeFailed, StorageFailed
from souche.model.disks import DiskSource, FileSource, GuestHold
from souche.storage.base import Capture, CaptureReport, LiveDisks
from souche.storage.qcow2 import argv
from souche.storage.qcow2.chains import check
from souche.storage.qcow2.directory import SHORT_SECONDS, Directory, storage_failures
from souche.storage.qcow2.journal import Entry, Journal, Move
from souche.synced import sync_file


def capture(
    directory: Directory,
    journal: Journal,
    captures: Sequence[Capture],
    vm_id: str | None,
    live: LiveDisks | None,
) -> CaptureReport:
    """See `VolumeStore.capture`.

    Raises:
        StorageFailed: nothing has changed.
        Unavailable: no snapshot exists; it is not known whether the guest was switched.
    """
    ids = [each.volume_id for each in captures] + [each.snapshot_id for each in captures]
    what = f"capture {' '.join(ids)}"
    with storage_failures(what), journal.settled(*ids):
        if _is_done(directory, captures):
            layers = {each.snapshot_id: directory.snapshots.get(each.snapshot_id) or "" for each in captures}
            return CaptureReport(hold=None, done_before=True, sizes_bytes=_sizes(directory, layers))
        opened = _open_disks(vm_id, live)
        moves = [_prepare(directory, each, opened) for each in captures]
        sizes = _sizes(directory, {move.snapshot_id: move.layer for move in moves})
        entry = journal.begin(moves)
    with closing(entry):
        hold = _switch(directory, entry, vm_id, live, [move for move in moves if move.volume_id in opened])
        with storage_failures(what), directory.locked():
            directory.seal([move.layer for move in moves])
            entry.freeze()
            entry.finish()
    return CaptureReport(hold=hold, sizes_bytes=sizes)


def _sizes(directory: Directory, layers: Mapping[str, str]) -> dict[str, int]:
    return {key: directory.header(layer).virtual_size_bytes for key, layer in layers.items()}


def _is_done(directory: Directory, captures: Sequence[Capture]) -> bool:
    """Whether all the snapshots exist. If only some do, the rest can no longer be of the same instant."""
    missing = [each.snapshot_id for each in captures if directory.snapshots.get(each.snapshot_id) is None]
    if missing and len(missing) < len(captures):
        raise StorageFailed(reason=f"only some of its snapshots exist, not {' '.join(missing)}")
    return not missing


def _open_disks(vm_id: str | None, live: LiveDisks | None) -> Mapping[str, DiskSource]:
    if vm_id is None or live is None:
        return {}
    return live.open_disks(vm_id) or {}


def _prepare(directory: Directory, each: Capture, opened: Mapping[str, DiskSource]) -> Move:
    current = directory.volumes.get(each.volume_id)
    if current is None:
        raise StorageFailed(reason=f"there is no volume {each.volume_id}")
    check(directory, each.volume_id, current, written=True)
    if each.volume_id in opened:
        layer = _written_layer(directory, current, opened[each.volume_id])
    else:
        layer = current
        run.run(argv.check_idle(directory.path(layer)), timeout_seconds=SHORT_SECONDS)
        sync_file(directory.path(layer))
    directory.seal(list(_unsealed_below(directory, layer)))
    size_bytes = directory.header(layer).virtual_size_bytes
    overlay = directory.add_overlay(f"{each.volume_id}.{each.snapshot_id}", layer, size_bytes)
    return Move(each.volume_id, each.snapshot_id, current, layer, overlay)


def _unsealed_below(directory: Directory, layer: str) -> Iterator[str]:
    """The layers without a record right below the one that is written to: a capture was interrupted between its switch
    and its end."""
    below = directory.header(layer).backing_file
    while below is not None and not directory.records.knows(below):
        yield below
        below = directory.header(below).backing_file


def _written_layer(directory: Directory, current: str, source: DiskSource) -> str:
    """The layer that a running guest writes to: the volume's current file, or, after a capture that was
    interrupted before the switch, the one right below it."""
    path = source.path.resolve() if isinstance(source, FileSource) else None
    if path == directory.path(current):
        return current
    below = directory.header(current).backing_file
    if below is not None and path == directory.path(below) and directory.is_unwritten(current):
        return below
    raise StorageFailed(reason=f"the guest writes to {source}, not to {current}")


def _switch(
    directory: Directory, entry: Entry, vm_id: str | None, live: LiveDisks | None, moves: Sequence[Move]
) -> GuestHold | None:
    """A guest that died during the switch may already have written to the overlays. The entry then stays, and the next
    user of the store settles it as after a crash.

    Raises:
        StorageFailed: there is no snapshot. Unavailable.
    """
    if vm_id is None or live is None or not moves:
        return None
    overlays = {move.volume_id: FileSource(directory.path(move.overlay), "qcow2") for move in moves}
    try:
        return live.switch_disks(vm_id, overlays)
    except ComputeFailed as error:
        with directory.locked():
            if all(directory.is_unwritten(move.overlay) for move in moves):
                entry.abandon()
        raise StorageFailed(reason=f"the guest was not switched: {error}") from error
