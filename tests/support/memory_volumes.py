"""A volume store in one process's memory, for fast tests. It passes the contract's suite. It does not survive the
process, so nothing in it can be damaged."""

import os
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from souche import run
from souche.errors import ComputeFailed, StorageFailed, SystemFailure
from souche.model.disks import DiskFormat, DiskSource, FileSource, GuestHold, MemorySource
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

PAGE_BYTES: Final = 4096
ZERO_PAGE: Final = bytes(PAGE_BYTES)
CONVERT_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Content:
    """The bytes of a disk at one moment: pages of `PAGE_BYTES` by number. A missing page is all zeros."""

    size_bytes: int
    pages: Mapping[int, bytes] = field(default_factory=dict)

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on, both in bytes and within the size."""
        first, last = offset // PAGE_BYTES, (offset + length - 1) // PAGE_BYTES
        pages = b"".join(self.pages.get(number, ZERO_PAGE) for number in range(first, last + 1))
        return pages[offset - first * PAGE_BYTES :][:length]

    def write(self, offset: int, data: bytes) -> "Content":
        """The content after a write within the size."""
        first, last = offset // PAGE_BYTES, (offset + len(data) - 1) // PAGE_BYTES
        start = offset - first * PAGE_BYTES
        around = bytearray(self.read(first * PAGE_BYTES, (last + 1 - first) * PAGE_BYTES))
        around[start : start + len(data)] = data
        changed = (bytes(around[at : at + PAGE_BYTES]) for at in range(0, len(around), PAGE_BYTES))
        return replace(self, pages={**self.pages, **dict(enumerate(changed, first))})


@dataclass(frozen=True)
class Written:
    """A volume: its current content, and the name of its file for a hypervisor."""

    source: MemorySource
    content: Content


@dataclass(frozen=True)
class Discarded:
    """A disk in the trash, and the time of its deletion."""

    content: Content
    date: datetime


class MemoryStore:
    """A `VolumeStore`. `write` and `read` are the guest's side of a volume, and not part of the protocol."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._volumes: dict[str, Written] = {}
        self._snapshots: dict[str, Content] = {}
        self._trash: dict[tuple[DiskKind, str], Discarded] = {}

    def write(self, volume_id: str, offset: int, data: bytes) -> None:
        """Write like a guest; `offset` in bytes."""
        with self._lock:
            volume = self._volume(volume_id)
            self._volumes[volume_id] = replace(volume, content=volume.content.write(offset, data))

    def read(self, volume_id: str) -> bytes:
        """All bytes of the disk, as the guest sees them."""
        content = self._volume(volume_id).content
        return content.read(0, content.size_bytes)

    def create_volume(self, volume_id: str, size_bytes: int) -> None:
        self._add_volume(volume_id, Content(size_bytes))

    def clone_volume(self, volume_id: str, snapshot_id: str, size_bytes: int) -> None:
        with self._lock:
            if volume_id in self._volumes:
                return
            content = self._snapshot(snapshot_id)
            if size_bytes < content.size_bytes:
                raise StorageFailed(reason=f"{volume_id} would be smaller than {snapshot_id}")
            self._add_volume(volume_id, replace(content, size_bytes=size_bytes))

    def grow_volume(
        self, volume_id: str, size_bytes: int, *, vm_id: str | None = None, live: LiveDisks | None = None
    ) -> None:
        if vm_id is not None and live is not None and volume_id in (live.open_disks(vm_id) or {}):
            live.resize_disk(vm_id, volume_id, size_bytes)
        with self._lock:
            volume = self._volume(volume_id)
            size_bytes = max(size_bytes, volume.content.size_bytes)
            self._volumes[volume_id] = replace(volume, content=replace(volume.content, size_bytes=size_bytes))

    def delete_volume(self, volume_id: str) -> None:
        with self._lock:
            self._volumes.pop(volume_id, None)

    def volume_source(self, volume_id: str) -> MemorySource:
        return self._volume(volume_id).source

    def capture(
        self, captures: Sequence[Capture], *, vm_id: str | None, live: LiveDisks | None
    ) -> CaptureReport:
        with self._lock:
            if self._is_captured(captures):
                return CaptureReport(None, self._sizes(captures), done_before=True)
            before = {each: self._volume(each.volume_id) for each in captures}
            sources = {each: MemorySource(f"{each.volume_id}.{each.snapshot_id}") for each in captures}
            hold = _switch({each.volume_id: source for each, source in sources.items()}, vm_id, live)
            for each, volume in before.items():
                self._snapshots[each.snapshot_id] = volume.content
                self._volumes[each.volume_id] = replace(volume, source=sources[each])
            return CaptureReport(hold=hold, sizes_bytes=self._sizes(captures))

    def _sizes(self, captures: Sequence[Capture]) -> dict[str, int]:
        return {each.snapshot_id: self._snapshots[each.snapshot_id].size_bytes for each in captures}

    def copy_snapshot(self, snapshot_id: str, source_snapshot_id: str) -> None:
        with self._lock:
            if snapshot_id not in self._snapshots:
                self._snapshots[snapshot_id] = self._snapshot(source_snapshot_id)

    def import_snapshot(self, snapshot_id: str, image: FileSource, size_bytes: int) -> None:
        if snapshot_id in self._snapshots:
            return
        content = _import(image.path, image.format)
        if size_bytes < content.size_bytes:
            raise StorageFailed(reason=f"{image.path.name} is larger than {size_bytes} bytes")
        with self._lock:
            self._snapshots.setdefault(snapshot_id, replace(content, size_bytes=size_bytes))

    def delete_snapshot(self, snapshot_id: str) -> None:
        with self._lock:
            self._snapshots.pop(snapshot_id, None)

    @contextmanager
    def read_snapshot(self, snapshot_id: str) -> Iterator[str]:
        content = self._snapshot(snapshot_id)
        with tempfile.TemporaryDirectory(prefix="souche-") as place:
            image = Path(place) / "image.raw"
            _spool(content, image)
            with nbd.serve(image, "raw", Path(place)) as uri:
                yield uri

    @contextmanager
    def write_volume(self, volume_id: str) -> Iterator[str]:
        content = self._volume(volume_id).content
        with tempfile.TemporaryDirectory(prefix="souche-") as place:
            image = Path(place) / "image.raw"
            _spool(content, image)
            with nbd.serve(image, "raw", Path(place), writable=True) as uri:
                yield uri
            with image.open("rb") as written, self._lock:
                changed = replace(content, pages=dict(_data_pages(written)))
                self._volumes[volume_id] = replace(self._volume(volume_id), content=changed)

    def usage(self, snapshot_ids: Collection[str]) -> Usage:
        with self._lock:
            wanted = [content for each, content in self._snapshots.items() if each in snapshot_ids]
            others = [content for each, content in self._snapshots.items() if each not in snapshot_ids]
            others += [volume.content for volume in self._volumes.values()]
            others += [discarded.content for discarded in self._trash.values()]
            pages, taken = _pages(wanted), _pages(others)
        return Usage(PAGE_BYTES * len(pages - taken), PAGE_BYTES * len(pages & taken))

    def stock(self) -> StoreFigures:
        with self._lock:
            contents = [(each, volume.content) for each, volume in self._volumes.items()]
            contents += list(self._snapshots.items())
            contents += [(each, discarded.content) for (_, each), discarded in self._trash.items()]
            files = dict.fromkeys(self._volumes, 1)
            trashed = frozenset(each for _, each in self._trash)
        users: defaultdict[int, set[str]] = defaultdict(set)
        for resource_id, content in contents:
            for page in _pages([content]):
                users[page].add(resource_id)
        shares = Counter(map(frozenset, users.values()))
        return StoreFigures(
            {each: PAGE_BYTES * pages for each, pages in shares.items()}, files, len(contents), trashed
        )

    def disk_ids(self, kind: DiskKind) -> Iterator[str]:
        with self._lock:
            found = list(self._live(kind))
        yield from found

    def absent(self, kind: DiskKind, resource_ids: Collection[str]) -> set[str]:
        with self._lock:
            return set(resource_ids) - self._live(kind).keys()

    def _live(self, kind: DiskKind) -> Mapping[str, object]:
        return self._volumes if kind == "volume" else self._snapshots

    def tend_open_disks(self, vm_id: str, live: LiveDisks) -> None:
        """Does nothing: captures cost nothing here."""

    def collect(self, *, removing: bool = True) -> int:  # noqa: ARG002  what nothing names is gone at once
        with self._lock:
            contents = [*self._snapshots.values(), *(volume.content for volume in self._volumes.values())]
            contents += [discarded.content for discarded in self._trash.values()]
            return PAGE_BYTES * len(_pages(contents))

    def verify(self, *, deep: bool) -> Sequence[Fault]:  # noqa: ARG002
        return []

    def record_hashes(self, bytes_per_second: float) -> int:  # noqa: ARG002
        return 0

    def compare_hashes(self, bytes_per_second: float) -> bool | None:  # noqa: ARG002
        return None

    def discard(self, kind: DiskKind, resource_id: str, date: datetime) -> None:
        with self._lock:
            content = self._content(kind, resource_id)
            if content is not None:
                self._trash[kind, resource_id] = Discarded(content, date)
                self.delete_volume(resource_id) if kind == "volume" else self.delete_snapshot(resource_id)

    def restore(self, kind: DiskKind, resource_id: str) -> None:
        with self._lock:
            discarded = self._trash.get((kind, resource_id))
            if discarded is not None and self._content(kind, resource_id) is not None:
                raise StorageFailed(reason=f"there is another {kind} {resource_id}")
            if discarded is None:
                self._volume(resource_id) if kind == "volume" else self._snapshot(resource_id)
            elif kind == "volume":
                self._add_volume(resource_id, discarded.content)
            else:
                self._snapshots[resource_id] = discarded.content
            self.purge(kind, resource_id)

    def purge(self, kind: DiskKind, resource_id: str) -> None:
        with self._lock:
            self._trash.pop((kind, resource_id), None)

    def trash(self) -> Sequence[Trashed]:
        with self._lock:
            found = [
                Trashed(kind, resource_id, discarded.content.size_bytes, discarded.date)
                for (kind, resource_id), discarded in self._trash.items()
            ]
        return sorted(found, key=lambda each: (each.date, each.resource_id))

    def _content(self, kind: DiskKind, resource_id: str) -> Content | None:
        if kind == "snapshot":
            return self._snapshots.get(resource_id)
        volume = self._volumes.get(resource_id)
        return volume.content if volume else None

    def _add_volume(self, volume_id: str, content: Content) -> None:
        with self._lock:
            self._volumes.setdefault(volume_id, Written(MemorySource(volume_id), content))

    def _is_captured(self, captures: Sequence[Capture]) -> bool:
        missing = [each.snapshot_id for each in captures if each.snapshot_id not in self._snapshots]
        if missing and len(missing) < len(captures):
            raise StorageFailed(reason=f"only some of its snapshots exist, not {' '.join(missing)}")
        return not missing

    def _volume(self, volume_id: str) -> Written:
        try:
            return self._volumes[volume_id]
        except KeyError as error:
            raise StorageFailed(reason=f"there is no volume {volume_id}") from error

    def _snapshot(self, snapshot_id: str) -> Content:
        try:
            return self._snapshots[snapshot_id]
        except KeyError as error:
            raise StorageFailed(reason=f"there is no snapshot {snapshot_id}") from error


def _pages(contents: Iterable[Content]) -> set[int]:
    """The pages of these contents; shared pages count once."""
    return {id(page) for content in contents for page in content.pages.values()}


def convert_argv(source: Path, source_format: DiskFormat, target: Path) -> list[str]:
    """Copy an image of a given format to a raw file; holes stay holes."""
    return ["qemu-img", "convert", "-q", "-f", source_format, "-O", "raw", str(source), str(target)]


def _switch(
    overlays: Mapping[str, DiskSource], vm_id: str | None, live: LiveDisks | None
) -> GuestHold | None:
    """Tell the hypervisor the new files of the disks that a running guest has open."""
    opened = live.open_disks(vm_id) if live is not None and vm_id is not None else None
    if live is None or vm_id is None or not opened:
        return None
    try:
        return live.switch_disks(vm_id, {key: value for key, value in overlays.items() if key in opened})
    except ComputeFailed as error:
        raise StorageFailed(reason=f"the guest was not switched: {error}") from error


def _import(path: Path, image_format: DiskFormat) -> Content:
    with tempfile.TemporaryDirectory(prefix="souche-") as place:
        raw = Path(place) / "image.raw"
        try:
            run.run(convert_argv(path.absolute(), image_format, raw), timeout_seconds=CONVERT_SECONDS)
        except SystemFailure as error:
            raise StorageFailed(reason=f"import {path.name}: {error}") from error
        with raw.open("rb") as image:
            return Content(raw.stat().st_size, dict(_data_pages(image)))


def _data_pages(image: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The pages of an open file outside of holes, by number."""
    size, offset = os.fstat(image.fileno()).st_size, 0
    while offset < size:
        try:
            offset = os.lseek(image.fileno(), offset, os.SEEK_DATA) // PAGE_BYTES * PAGE_BYTES
        except OSError:  # ENXIO: the rest is a hole
            return
        page = os.pread(image.fileno(), PAGE_BYTES, offset)
        if page.strip(b"\0"):
            yield offset // PAGE_BYTES, page.ljust(PAGE_BYTES, b"\0")
        offset += PAGE_BYTES


def _spool(content: Content, path: Path) -> None:
    with path.open("wb") as image:
        image.truncate(content.size_bytes)
        for number, page in content.pages.items():
            image.seek(number * PAGE_BYTES)
            image.write(page)
        image.truncate(content.size_bytes)
