"""Discarded volumes and snapshots. Their links move beside the live ones, and name layers in the same way.

All functions need the store's lock. In both directions, the new link is made before the old one is removed: after a
crash in between, a disk has both, and both name the same layer. The link in the trash is removed when the other moves
to another layer (see `journal`).
"""

from collections.abc import Sequence
from datetime import datetime

from souche.errors import StorageFailed
from souche.storage.base import DiskKind, Trashed
from souche.storage.qcow2.directory import Directory


def discard(directory: Directory, kind: DiskKind, resource_id: str, date: datetime) -> None:
    """See `VolumeStore.discard`."""
    layer = directory.live(kind).get(resource_id)
    if layer is not None:
        directory.trash[kind].set(resource_id, layer, date)
        directory.live(kind).remove(resource_id)


def restore(directory: Directory, kind: DiskKind, resource_id: str) -> None:
    """See `VolumeStore.restore`."""
    discarded, living = directory.trash[kind].get(resource_id), directory.live(kind).get(resource_id)
    if discarded is None and living is None:
        raise StorageFailed(reason=f"there is no {kind} {resource_id} in the trash")
    if discarded is None:
        return
    if living not in (None, discarded):
        raise StorageFailed(reason=f"there is another {kind} {resource_id}")
    directory.live(kind).set(resource_id, discarded)
    directory.trash[kind].remove(resource_id)


def content(directory: Directory) -> Sequence[Trashed]:
    """See `VolumeStore.trash`."""
    found = [
        Trashed(kind, resource_id, _size_bytes(directory, layer), date)
        for kind, pointers in directory.trash.items()
        for resource_id, layer in pointers.all().items()
        if (date := pointers.date(resource_id)) is not None
    ]
    return sorted(found, key=lambda each: (each.date, each.resource_id))


def _size_bytes(directory: Directory, layer: str) -> int:
    try:
        return directory.header(layer).virtual_size_bytes
    except StorageFailed:
        return 0
