"""The layout of a qcow2 volume store's directory.

    disks/
        lock                    held while a process changes anything below
        layers/<name>.qcow2     every disk file; backing files are named relative to here
        volumes/<volume id>     link to the one layer that the volume writes to: its current file
        snapshots/<snapshot id> link to an immutable layer
        records/<layer>         the record of an immutable layer (see `records`)
        trash/volumes/, trash/snapshots/  the same links for discarded disks, with their dates
        captures/               the journal of captures under way (see `journal`)
        work/                   half-made files (see `scratch`)

A new file never takes a name in use, and keeps its name for life. The name (`vol-1.qcow2`, after a capture
`vol-1.snap-2.qcow2`, with `.1`, `.2`... if that is taken) is for people: only links and headers have a meaning.

Other users cannot read any file, for any umask. The exception is QEMU's group, if it exists: it can traverse `disks/`
(mode 0710) and read layers whose names it is given. libvirt gives a running guest's current file to QEMU's user while
the guest runs, for any owner of the directory.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Final

import structlog

from souche.errors import OutOfSpace, StorageFailed, SystemFailure, Unavailable
from souche.formats.qcow2 import Qcow2Header, read_header
from souche.formats.qcow2_empty import EmptyImage, empty_image
from souche.room import full
from souche.storage.base import DiskKind
from souche.storage.qcow2.locks import locked
from souche.storage.qcow2.pointers import Pointers
from souche.storage.qcow2.records import Record, Records
from souche.storage.qcow2.scratch import Scratch
from souche.synced import sync_directory, sync_file

FOLDERS: Final = (
    *("layers", "captures", "volumes", "snapshots", "records"),
    *("trash", "trash/volumes", "trash/snapshots", "work"),
)
"""in the order of their creation: if the last exists, or any layer, all have existed"""
REMADE: Final = frozenset({"records", "work"})
"""A start creates these again if they are lost. Without any of the others, needed files would look like leftovers."""
BLOCK_BYTES: Final = 512
"""of `st_blocks` (inode(7))"""
OWNER_ONLY: Final = 0o700
PASSABLE: Final = 0o010
READABLE: Final = 0o040
SHORT_SECONDS: Final = 60.0
"""For programs that touch metadata only."""
LONG_SECONDS: Final = 24 * 3600.0
"""For programs that copy a disk."""

log = structlog.get_logger()


class Directory:
    """Layers, the links to them, and the lock. Callers that add or remove hold the lock."""

    def __init__(self, root: Path, *, making: bool = True) -> None:
        """Missing folders are created, unless `making` is False, for read-only use."""
        self._root = root.resolve()
        if making:
            self._make_all()
        self.layers = self._root / "layers"
        self.captures = self._root / "captures"
        self.volumes = Pointers(self._root / "volumes")
        self.snapshots = Pointers(self._root / "snapshots")
        self.records = Records(self._root / "records")
        self.trash: dict[DiskKind, Pointers] = {
            "volume": Pointers(self._root / "trash/volumes", "../../layers"),
            "snapshot": Pointers(self._root / "trash/snapshots", "../../layers"),
        }
        self.scratch = Scratch(self._root / "work")

    def _make_all(self) -> None:
        if not self._root.exists():
            self._root.mkdir(parents=True, mode=OWNER_ONLY)
            sync_directory(self._root.parent)
        if lost := lost_folders(self._root):
            log.error("folders of the disks are missing, empty ones take their place", folders=lost)
        for name in FOLDERS:
            self._make(name)
        self._admit(self._root / "layers", OWNER_ONLY, PASSABLE)

    def live(self, kind: DiskKind) -> Pointers:
        """The links of the volumes, or of the snapshots, that are not in the trash."""
        return self.volumes if kind == "volume" else self.snapshots

    def current_layers(self) -> set[str]:
        """The layers that volumes write to. Volumes in the trash count: they may be restored."""
        return {*self.volumes.all().values(), *self.trash["volume"].all().values()}

    def snapshot_layers(self) -> set[str]:
        """The layers that snapshots name, including those in the trash."""
        return {*self.snapshots.all().values(), *self.trash["snapshot"].all().values()}

    def locked(self) -> AbstractContextManager[None]:
        """Hold the store's lock, against all threads and processes."""
        return locked(self._root / "lock")

    def path(self, layer: str) -> Path:
        """The path of a layer's file."""
        return self.layers / layer

    def header(self, layer: str) -> Qcow2Header:
        """Read the header of a layer's file. Takes no image lock: only `grow` changes a header.

        Raises:
            StorageFailed: the file is missing, or was not made by this store.
        """
        return self._header(layer, self.path(layer))

    def _header(self, layer: str, path: Path) -> Qcow2Header:
        try:
            with path.open("rb") as image:
                header = read_header(image)
        except (OSError, ValueError) as error:
            raise StorageFailed(reason=f"layer {layer}: {error}") from error
        if header.backing_file is not None and "/" in header.backing_file:
            raise StorageFailed(reason=f"layer {layer} has a backing file outside the store")
        return header

    def is_unwritten(self, layer: str) -> bool:
        """Whether an overlay maps no cluster, so nothing was ever written to it."""
        header = self.header(layer)
        with self.path(layer).open("rb") as image:
            image.seek(header.l1_offset)
            return not any(image.read(header.l1_entries * 8))

    def backing(self, layer: str) -> str | None:
        """A layer's backing file, according to its header."""
        try:
            return self.header(layer).backing_file
        except StorageFailed:
            return None

    def newest_first(self) -> list[str]:
        """The names of all layers."""
        times = {path.name: path.lstat().st_ctime_ns for path in self.layers.iterdir()}
        return sorted(times, key=lambda name: times[name], reverse=True)

    def add_empty(self, stem: str, size_bytes: int) -> str:
        """Create a layer that reads as zeros. Returns its name."""
        with self.scratch.place() as place:
            image = place / "empty.qcow2"
            _write(image, empty_image(size_bytes))
            return self.adopt(image, stem)

    def add_overlay(self, stem: str, backing: str, size_bytes: int) -> str:
        """Create an empty layer on top of another. Returns its name."""
        with self.scratch.place() as place:
            image = place / "overlay.qcow2"
            _write(image, empty_image(size_bytes, backing))
            return self.adopt(image, stem)

    def adopt(self, image: Path, stem: str) -> str:
        """Move a finished file from scratch to the layers. Returns its name. Durable on return."""
        name = next(name for name in _names(stem) if not self._is_taken(name))
        self._admit(image, 0o600, READABLE)
        sync_file(image)
        image.rename(self.path(name))
        sync_directory(self.layers)
        return name

    def replace(self, layer: str, image: Path) -> None:
        """Replace a layer's file by one of equal content that is already on the medium. Processes that have the old
        file open keep it."""
        self._admit(image, 0o600, READABLE)
        sync_file(image)
        known, after = self.records.get(layer), self.measured(layer, image)
        before = known.settled(self.path(layer).stat().st_size) if known else self.measured(layer)
        self.records.put({layer: replace(before, successor=after)})
        image.replace(self.path(layer))
        sync_directory(self.layers)
        self.records.put({layer: after})

    def measured(self, layer: str, image: Path | None = None) -> Record:
        """The record of a layer, from its file or from the `image` that will replace it.

        Raises:
            StorageFailed: the file is missing, or was not made by this store.
        """
        header = self._header(layer, image or self.path(layer))
        return Record((image or self.path(layer)).stat().st_size, header.backing_file)

    def seal(self, layers: Collection[str]) -> None:
        """Declare layers immutable: sync their bytes, and record their lengths."""
        for layer in layers:
            sync_file(self.path(layer))
        self.records.put({layer: self.measured(layer) for layer in layers})

    def bytes_in_use(self) -> int:
        """The space of all layers on the medium."""
        return self.bytes_of(path.name for path in self.layers.iterdir())

    def bytes_of(self, layers: Iterable[str]) -> int:
        """The space of these layers on the medium. Missing ones take none."""
        paths = [self.path(layer) for layer in layers]
        return sum(path.stat().st_blocks * BLOCK_BYTES for path in paths if path.exists())

    def _is_taken(self, name: str) -> bool:
        """Whether a layer has this name, even a missing one: otherwise the layers above it would read another's
        bytes."""
        return self.records.knows(name) or os.path.lexists(self.path(name))

    def _admit(self, path: Path, mode: int, group_mode: int) -> None:
        """Set the mode of a file or folder, with `group_mode` for the group that may traverse the directory."""
        status = self._root.stat()
        if status.st_mode & PASSABLE:
            os.chown(path, -1, status.st_gid)
            mode |= group_mode
        if path.stat().st_mode & 0o777 != mode:
            path.chmod(mode)

    def _make(self, name: str) -> None:
        path = self._root / name
        if not path.exists():
            path.mkdir(exist_ok=True)
            path.chmod(OWNER_ONLY)
            sync_directory(path.parent)


def lost_folders(root: Path) -> list[str]:
    """The folders of a store that once existed and are missing now."""
    missing = [name for name in FOLDERS if not (root / name).is_dir() and (root / name).parent.is_dir()]
    layers = root / "layers"
    were_made = FOLDERS[-1] not in missing or (layers.is_dir() and any(layers.iterdir()))
    return missing if were_made else []


def _write(path: Path, image: EmptyImage) -> None:
    """Write a new file with holes for its zeros. Takes a tenth of the time of qemu-img's start."""
    with path.open("xb") as file:
        file.truncate(image.file_bytes)
        for offset, data in image.pieces.items():
            file.seek(offset)
            file.write(data)


def _names(stem: str) -> Iterator[str]:
    yield f"{stem}.qcow2"
    for number in count(1):
        yield f"{stem}.{number}.qcow2"


@contextmanager
def storage_failures(what: str) -> Iterator[None]:
    """Translate errors of the system and of programs into StorageFailed or OutOfSpace. Unavailable passes through."""
    try:
        yield
    except (StorageFailed, OutOfSpace, Unavailable):
        raise
    except (OSError, SystemFailure) as error:
        if (out_of_space := full(error)) is not None:
            raise out_of_space from error
        raise StorageFailed(reason=f"{what}: {error}") from error
