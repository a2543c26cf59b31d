"""Compares the records of disks with the disks, page by page, in either direction.

A region may have millions of disks. So no comparison holds all their ids in memory or keeps a transaction or the
store's lock for longer than one page. Each page has its own transaction; other requests run between two pages.

Pages need not show one moment, because each id is judged alone, by the order of its own reads:

- A disk without a record: the disk is found first, and its record is looked up afterwards. A record is written before
  its disk is made, and erased after its disk is removed. So a disk that was found and has no record later has lost it.
- A record without a disk: the record says before and after the disk was looked for that it must have one. So a disk
  that is being made, or was deleted meanwhile, is not missing.

Ids that come while the pages are read may be skipped: a new disk has its record, and the next round looks at both.
"""

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from souche.db import snapshots, volumes
from souche.db.store import Store
from souche.db.transactions import Transaction
from souche.storage.base import DiskKind, VolumeStore

PAGE: Final = 250
"""ids that are compared at once, in about a millisecond: requests wait for the interpreter no longer than that"""
REST: Final = 9
"""A sweep rests this many times as long as its last page took, so it uses at most a tenth of one core."""

Pace: TypeAlias = Callable[[float], object]
"""Called before each page but the first, with the seconds that the last one took."""
Ids: TypeAlias = Collection[str]


class _Records(NamedTuple):
    ids_after: Callable[[Transaction, str, int], list[str]]
    recorded: Callable[[Transaction, Ids], set[str]]
    with_bytes: Callable[[Transaction, str, str], set[str]]


_RECORDS: Final[dict[DiskKind, _Records]] = {
    "snapshot": _Records(snapshots.ids_after, snapshots.recorded, snapshots.with_bytes),
    "volume": _Records(volumes.ids_after, volumes.recorded, volumes.with_bytes),
}


def without_rest(_seconds: float) -> None:
    """For a caller that a start or a command waits for."""


def with_rest(seconds: float) -> None:
    """For sweeps."""
    time.sleep(REST * seconds)


def unrecorded(store: Store, disks: VolumeStore, kind: DiskKind, pace: Pace = without_rest) -> Iterator[str]:
    """The ids of disks without a record."""
    for page in _paced(_pages(disks.disk_ids(kind)), pace):
        yield from without_record(store, kind, page)


def without_record(store: Store, kind: DiskKind, disk_ids: Ids) -> list[str]:
    """Those of the ids of disks, which were found before, that have no record."""
    with store.read() as connection:
        recorded = _RECORDS[kind].recorded(connection, disk_ids)
    return [each for each in disk_ids if each not in recorded]


def missing(store: Store, disks: VolumeStore, pace: Pace = without_rest) -> Iterator[str]:
    """The ids of records that should have a disk, and have none: of snapshots, then of volumes, each in order."""
    for kind in _RECORDS:
        for page in _paced(_recorded(store, kind), pace):
            yield from sorted(_without_disk(store, disks, kind, page))


def is_missing(store: Store, disks: VolumeStore, kind: DiskKind, resource_id: str) -> bool:
    """Whether an id should have a disk, by its record, and has none."""
    return bool(_without_disk(store, disks, kind, [resource_id]))


def _without_disk(store: Store, disks: VolumeStore, kind: DiskKind, page: Ids) -> set[str]:
    """Those of the ids of a page that should have a disk, and have none."""
    wanted = _with_bytes(store, kind, disks.absent(kind, page))
    return _with_bytes(store, kind, disks.absent(kind, wanted))


def _with_bytes(store: Store, kind: DiskKind, some: set[str]) -> set[str]:
    """Those of some ids of a page whose records have bytes. All rows between them are read: fewer than a page, and
    faster than a statement with each id."""
    if not some:
        return set()
    with store.read() as connection:
        return some & _RECORDS[kind].with_bytes(connection, min(some), max(some))


def _recorded(store: Store, kind: DiskKind) -> Iterator[list[str]]:
    after = ""
    while True:
        with store.read() as connection:
            page = _RECORDS[kind].ids_after(connection, after, PAGE)
        if not page:
            return
        yield page
        after = page[-1]


def _pages(disk_ids: Iterator[str]) -> Iterator[list[str]]:
    while page := list(itertools.islice(disk_ids, PAGE)):
        yield page


def _paced(pages: Iterable[list[str]], pace: Pace) -> Iterator[list[str]]:
    began = None
    for page in pages:
        if began is not None:
            pace(time.monotonic() - began)
        began = time.monotonic()
        yield page
