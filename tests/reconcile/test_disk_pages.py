"""Records and disks are compared in pages: bounded statements, in an order of reads that judges each id rightly."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from souche.db import schema, snapshots
from souche.db.store import Store
from souche.db.transactions import Transaction
from souche.reconcile import disk_pages, leftovers
from souche.reconcile.holds import Hold
from souche.reconcile.trash import TrashSweep
from souche.states import SnapshotState
from souche.storage.base import DiskKind, VolumeStore
from tests.workflows.world import Original, World

MIB = 1 << 20
MANY = 2 * disk_pages.PAGE + 1


def add_records(world: World, origin: Original, ids: Sequence[str]) -> None:
    """Records of snapshots, without disks."""
    with world.region.store.begin() as connection:
        model = snapshots.get(connection, origin.cast.snapshot_id)
        assert model is not None
        row = snapshots._columns(model)
        connection.execute(schema.snapshots.insert(), [{**row, "snapshot_id": each} for each in ids])


def ids_of(count: int) -> list[str]:
    return [f"snap-{number:08x}" for number in range(count)]


def test_no_sweep_reads_more_than_a_page_by_one_statement(
    world: World, origin: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of the records of all disks, nor of all disks: here each has the other, or not."""
    add_records(world, origin, ids_of(MANY))
    for number in range(3):
        world.disks.store.create_volume(f"vol-0000000{number}", MIB)
    rows: list[int] = []
    scalars = sa.Connection.scalars

    def counted(*given: Any, **options: Any) -> list[Any]:
        found = list(scalars(*given, **options))
        rows.append(len(found))
        return found

    monkeypatch.setattr(sa.Connection, "scalars", counted)
    monkeypatch.setattr(disk_pages, "with_rest", disk_pages.without_rest)
    hold = Hold(world.parts)
    hold.sweep(world.parts)
    hold.collect(world.parts)
    leftovers.remove(world.parts)
    TrashSweep(hold, leftovers.CAPTURES_KEPT, world.home / "ages.json").run(world.parts)
    assert max(rows) == disk_pages.PAGE


def test_all_pages_are_compared(world: World, origin: Original) -> None:
    ids = ids_of(MANY)
    add_records(world, origin, ids)
    assert list(disk_pages.missing(world.parts.store, world.parts.volumes)) == ids
    with world.region.store.begin() as connection:
        snapshots.erase(connection, ids)
    for each in ids:
        world.disks.store.copy_snapshot(each, origin.cast.snapshot_id)
    found = disk_pages.unrecorded(world.parts.store, world.parts.volumes, "snapshot")
    assert sorted(found) == ids


def test_a_sweep_rests_between_pages_and_holds_no_transaction_meanwhile(
    world: World, origin: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_records(world, origin, ids_of(MANY))
    opened: list[Transaction] = []
    read = Store.read

    @contextmanager
    def noted(store: Store, most_seconds: float | None = None) -> Iterator[Transaction]:
        with read(store, most_seconds) as connection:
            opened.append(connection)
            yield connection
            opened.remove(connection)

    monkeypatch.setattr(Store, "read", noted)
    rests: list[int] = []
    missing = disk_pages.missing(world.parts.store, world.parts.volumes, lambda _: rests.append(len(opened)))
    assert len(list(missing)) == MANY
    assert rests == [0] * (MANY // disk_pages.PAGE)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    disk_pages.with_rest(0.5)
    assert slept == [0.5 * disk_pages.REST]


class Eventful:
    """A volume store in which something happens right after each look."""

    def __init__(self, store: VolumeStore, happens: Sequence[Any]) -> None:
        self._store = store
        self._happens = list(happens)

    def absent(self, kind: DiskKind, resource_ids: Collection[str]) -> set[str]:
        found = self._store.absent(kind, resource_ids)
        if found and self._happens:
            self._happens.pop(0)()
        return found


def test_what_is_made_or_deleted_while_a_page_is_compared_is_not_missing(
    world: World, origin: Original
) -> None:
    """The change happens between any two of its reads."""
    store, disks, spare = world.parts.store, world.disks.store, origin.cast.snapshot_id
    disks.delete_snapshot(spare)
    other = next(disks.disk_ids("snapshot"))

    def make() -> None:
        disks.copy_snapshot(spare, other)
        with store.begin() as connection:
            snapshots.set_state(connection, [spare], SnapshotState.COMPLETED, progress_percent=100)

    def forget() -> None:
        with store.begin() as connection:
            snapshots.erase(connection, [spare])

    with store.begin() as connection:
        snapshots.set_state(connection, [spare], SnapshotState.PENDING, progress_percent=0)
    assert not list(disk_pages.missing(store, Eventful(disks, [make])))  # type: ignore[arg-type]  # absent only
    disks.delete_snapshot(spare)
    assert list(disk_pages.missing(store, disks)) == [spare]
    assert not list(disk_pages.missing(store, Eventful(disks, [lambda: None, forget])))  # type: ignore[arg-type]


def test_a_disk_that_gets_its_record_while_others_are_compared_stays(
    world: World, origin: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by `souche trash restore`."""
    spare, read = "snap-00000001", leftovers.unrecorded_disks
    world.disks.store.copy_snapshot(spare, origin.cast.snapshot_id)

    def recorded_meanwhile(*given: Any) -> leftovers.UnrecordedDisks:
        found = read(*given)
        assert spare in found.snapshots
        add_records(world, origin, [spare])
        return found

    monkeypatch.setattr(leftovers, "unrecorded_disks", recorded_meanwhile)
    leftovers.remove(world.parts)
    assert spare in set(world.disks.store.disk_ids("snapshot"))
