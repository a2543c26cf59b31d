"""The volume store that is a directory of qcow2 files.

A layer is an immutable qcow2 file; a volume is a writable overlay on a layer; a snapshot names a layer.
Clones, copies and captures make a small file or a link, and copy no data (design, section 4).
"""

import itertools
import json
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from souche import run
from souche.errors import StorageFailed
from souche.formats.qcow2_layout import is_of_stream
from souche.model.disks import DiskFormat, FileSource
from souche.room import ENDLESS, Room
from souche.storage import nbd
from souche.storage.base import (
    Capture,
    CaptureReport,
    DiskKind,
    Fault,
    LiveDisks,
    StoreFigures,
    Trashed,
    Usage,
)
from souche.storage.qcow2 import argv, trash
from souche.storage.qcow2.capture import capture
from souche.storage.qcow2.chains import check
from souche.storage.qcow2.collect import collect
from souche.storage.qcow2.directory import LONG_SECONDS, SHORT_SECONDS, Directory, storage_failures
from souche.storage.qcow2.hashes import at_rate, compare_oldest, record_hashes
from souche.storage.qcow2.journal import Journal
from souche.storage.qcow2.stock import stock
from souche.storage.qcow2.usage import usage
from souche.storage.qcow2.verify import verify
from souche.synced import sync_file

MAX_CHAIN: Final = 16
MAX_OPEN_CHAIN: Final = 32
"""For a running guest's disk. Each capture adds a file, and `collect` cannot merge files that a running QEMU has open.
Captures slow down with the number of files (0.07 s at first, 1 s after 100), and libvirt opens at most 200."""
AT_ONCE: Final = 1000
"""links that are looked up under one lock: some milliseconds"""
ID: Final = re.compile(r"[a-z0-9][a-z0-9-]*")


class Qcow2Store:
    """A `VolumeStore` in `<home>/disks` (see `directory`). Works as any user who can write there.

    `max_chain` (>= 3) is the longest chain of a volume, its own file included, before `collect` merges some files;
    `max_open_chain` is the same for the disk of a running guest. Large writes stop at the reserve of `room`.
    """

    def __init__(
        self,
        home: Path,
        *,
        max_chain: int = MAX_CHAIN,
        max_open_chain: int = MAX_OPEN_CHAIN,
        room: Room = ENDLESS,
    ) -> None:
        self._directory = Directory(home / "disks")
        self._journal = Journal(self._directory)
        self._max_chain = max_chain
        self._max_open_chain = max_open_chain
        self._room = room

    def create_volume(self, volume_id: str, size_bytes: int) -> None:
        with self._alone("create volume", volume_id):
            if self._directory.volumes.get(volume_id) is None:
                self._directory.volumes.set(volume_id, self._directory.add_empty(volume_id, size_bytes))

    def clone_volume(self, volume_id: str, snapshot_id: str, size_bytes: int) -> None:
        with self._alone("clone volume", volume_id, snapshot_id):
            if self._directory.volumes.get(volume_id) is not None:
                return
            layer = self._checked(snapshot_id)
            if size_bytes < self._directory.header(layer).virtual_size_bytes:
                raise StorageFailed(reason=f"{volume_id} would be smaller than {snapshot_id}")
            self._directory.volumes.set(volume_id, self._directory.add_overlay(volume_id, layer, size_bytes))

    def grow_volume(
        self, volume_id: str, size_bytes: int, *, vm_id: str | None = None, live: LiveDisks | None = None
    ) -> None:
        if vm_id is not None and live is not None and volume_id in (live.open_disks(vm_id) or {}):
            live.resize_disk(vm_id, volume_id, size_bytes)
        with self._alone("grow volume", volume_id):  # no change if QEMU has grown the file
            layer = self._current(volume_id)
            if self._directory.header(layer).virtual_size_bytes < size_bytes:
                path = self._directory.path(layer)
                run.run(argv.grow(path, size_bytes), timeout_seconds=SHORT_SECONDS)
                sync_file(path)

    def delete_volume(self, volume_id: str) -> None:
        with self._alone("delete volume", volume_id):
            self._directory.volumes.remove(volume_id)

    def volume_source(self, volume_id: str) -> FileSource:
        with self._alone("find volume", volume_id):
            current = self._current(volume_id)
            check(self._directory, volume_id, current, written=True)
            return FileSource(path=self._directory.path(current), format="qcow2")

    def capture(
        self, captures: Sequence[Capture], *, vm_id: str | None, live: LiveDisks | None
    ) -> CaptureReport:
        """See `VolumeStore.capture`. Unavailable passes through: the volumes are unchanged, the snapshots do not exist,
        and the next call determines to which files QEMU writes (see `journal`)."""
        for each in captures:
            _check(each.volume_id, each.snapshot_id)
        return capture(self._directory, self._journal, captures, vm_id, live)

    def copy_snapshot(self, snapshot_id: str, source_snapshot_id: str) -> None:
        with self._alone("copy snapshot", snapshot_id, source_snapshot_id):
            if self._directory.snapshots.get(snapshot_id) is None:
                self._directory.snapshots.set(snapshot_id, self._checked(source_snapshot_id))

    def import_snapshot(self, snapshot_id: str, image: FileSource, size_bytes: int) -> None:
        if self._has_snapshot(snapshot_id):
            return
        with storage_failures(f"import {snapshot_id}"), self._directory.scratch.place() as place:
            made = place / "import.qcow2"
            if image.format != "qcow2" or not _share(image.path, made, size_bytes):
                self._convert(image.path.absolute(), image.format, made)
                run.run(argv.grow(made, size_bytes), timeout_seconds=SHORT_SECONDS)
            sync_file(made)  # sync the data now, before the store is locked
            with self._alone("import snapshot", snapshot_id):
                if self._directory.snapshots.get(snapshot_id) is None:
                    layer = self._directory.adopt(made, snapshot_id)
                    self._directory.seal([layer])
                    self._directory.snapshots.set(snapshot_id, layer)

    def _convert(self, path: Path, format: DiskFormat, image: Path) -> None:
        told = json.loads(run.run(argv.measure(path, format), timeout_seconds=SHORT_SECONDS))
        self._room.ask(int(told["required"]))
        command = argv.convert(path, format, image)
        run.run(command, timeout_seconds=LONG_SECONDS, watch=self._room.check)

    def delete_snapshot(self, snapshot_id: str) -> None:
        with self._alone("delete snapshot", snapshot_id):
            self._directory.snapshots.remove(snapshot_id)

    @contextmanager
    def read_snapshot(self, snapshot_id: str) -> Iterator[str]:
        with self._alone("find snapshot", snapshot_id):
            path = self._directory.path(self._checked(snapshot_id))
        with self._directory.scratch.place() as place, nbd.serve(path, "qcow2", place) as uri:
            yield uri

    @contextmanager
    def write_volume(self, volume_id: str) -> Iterator[str]:
        path = self.volume_source(volume_id).path
        with (
            self._directory.scratch.place() as place,
            nbd.serve(path, "qcow2", place, writable=True) as uri,
        ):
            yield uri

    def usage(self, snapshot_ids: Collection[str]) -> Usage:
        with self._alone("measure", *snapshot_ids):
            return usage(self._directory, snapshot_ids)

    def stock(self) -> StoreFigures:
        with storage_failures("measure all layers"):
            return stock(self._directory)

    def disk_ids(self, kind: DiskKind) -> Iterator[str]:
        """See `VolumeStore.disk_ids`. Links are replaced atomically, so they are read without the store's lock."""
        with self._alone("list"):
            pass  # interrupted captures have their links now
        with storage_failures("list"):
            yield from self._directory.live(kind).ids()

    def absent(self, kind: DiskKind, resource_ids: Collection[str]) -> set[str]:
        pointers, rest, found = self._directory.live(kind), iter(resource_ids), set[str]()
        while some := list(itertools.islice(rest, AT_ONCE)):
            with self._alone("find disks"):
                found.update(each for each in some if not pointers.has(each))
        return found

    def tend_open_disks(self, vm_id: str, live: LiveDisks) -> None:
        live.shorten_disks(vm_id, self._max_open_chain)

    def collect(self, *, removing: bool = True) -> int:
        with storage_failures("collect"):
            return collect(self._directory, self._journal, self._max_chain, self._room, removing=removing)

    def discard(self, kind: DiskKind, resource_id: str, date: datetime) -> None:
        with self._alone("discard", resource_id):
            trash.discard(self._directory, kind, resource_id, date)

    def restore(self, kind: DiskKind, resource_id: str) -> None:
        with self._alone("restore", resource_id):
            trash.restore(self._directory, kind, resource_id)

    def purge(self, kind: DiskKind, resource_id: str) -> None:
        with self._alone("purge", resource_id):
            self._directory.trash[kind].remove(resource_id)

    def trash(self) -> Sequence[Trashed]:
        with self._alone("list the trash"):
            return trash.content(self._directory)

    def verify(self, *, deep: bool) -> Sequence[Fault]:
        with storage_failures("verify"):
            return verify(self._directory, self._journal, deep=deep)

    def record_hashes(self, bytes_per_second: float) -> int:
        with storage_failures("hash layers"):
            return record_hashes(self._directory, at_rate(bytes_per_second))

    def compare_hashes(self, bytes_per_second: float) -> bool | None:
        with storage_failures("compare layers"):
            return compare_oldest(self._directory, at_rate(bytes_per_second))

    @contextmanager
    def _alone(self, what: str, *resource_ids: str) -> Iterator[None]:
        """Lock the store, with no unfinished capture of these volumes and snapshots."""
        _check(*resource_ids)
        with storage_failures(" ".join((what, *resource_ids))), self._journal.settled(*resource_ids):
            yield

    def _has_snapshot(self, snapshot_id: str) -> bool:
        with self._alone("find snapshot", snapshot_id):
            return self._directory.snapshots.get(snapshot_id) is not None

    def _current(self, volume_id: str) -> str:
        layer = self._directory.volumes.get(volume_id)
        if layer is None:
            raise StorageFailed(reason=f"there is no volume {volume_id}")
        return layer

    def _checked(self, snapshot_id: str) -> str:
        """The layer of a snapshot, after a check of the lengths in its whole chain."""
        layer = self._directory.snapshots.get(snapshot_id)
        if layer is None:
            raise StorageFailed(reason=f"there is no snapshot {snapshot_id}")
        check(self._directory, snapshot_id, layer, written=False)
        return layer


def _check(*resource_ids: str) -> None:
    """Refuse ids that are not valid file names."""
    for resource_id in resource_ids:
        if ID.fullmatch(resource_id) is None:
            raise StorageFailed(reason=f"{resource_id!r} is not an id")


def _share(path: Path, image: Path, size_bytes: int) -> bool:
    """Link a qcow2 file into the store, if its tables are exactly those that this store writes. Not across file
    systems."""
    if not is_of_stream(path, size_bytes):
        return False
    try:
        image.hardlink_to(path)
    except OSError:
        return False
    return True
