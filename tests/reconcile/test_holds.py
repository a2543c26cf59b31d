"""Disks and records that are not of the same moment: nothing is removed for good."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from souche import ids
from souche.app import snapshots, volumes
from souche.db import snapshots as snapshot_records
from souche.db import volumes as volume_records
from souche.db.store import Store
from souche.errors import StorageFailed
from souche.reconcile import disk_pages, holds, leftovers
from souche.reconcile.disk_pages import Pace
from souche.reconcile.holds import Hold
from souche.reconcile.trash import TrashSweep
from souche.storage.base import Capture, DiskKind, VolumeStore
from souche.storage.qcow2 import Qcow2Store
from souche.workflows.parts import Parts
from tests.support.inventories import inventory_of
from tests.support.region import ManualClock
from tests.workflows.world import Original, World

DAY = timedelta(days=1)
DATE = datetime(2026, 11, 24, tzinfo=UTC)
MIB = 1 << 20


def forget_snapshot(world: World, snapshot_id: str) -> None:
    """As a database does that is older than the snapshot."""
    with world.region.store.begin() as connection:
        snapshot_records.erase(connection, [snapshot_id])


class Sweeps:
    """Everything that removes disks, as a server makes it at its start. Its time passes with the world's clock."""

    def __init__(self, world: World, parts: Parts | None = None, kept: timedelta = DAY) -> None:
        self.parts = parts or world.parts
        self.hold = Hold(self.parts)
        self.running_seconds: Callable[[], float] = lambda: world.parts.clock.now().timestamp()
        self.trash = TrashSweep(
            self.hold, kept, world.home / "trash-ages.json", lambda: self.running_seconds()
        )

    def run(self) -> None:
        for _ in range(2):
            self.hold.sweep(self.parts)
            self.hold.collect(self.parts)
            self.trash.run(self.parts)


def advance(world: World, **time: float) -> None:
    assert isinstance(world.parts.clock, ManualClock)
    world.parts.clock.advance(**time)


def inventory(world: World) -> set[str]:
    found = inventory_of(world.disks.store)
    return set(found.volume_ids | found.snapshot_ids)


def test_what_belongs_together_is_left_as_it_is(world: World) -> None:
    before = world.see()
    sweeps = Sweeps(world)
    assert sweeps.hold.disks == frozenset()
    sweeps.run()
    assert world.see() == before


def test_disks_without_a_record_at_the_start_are_not_swept_and_the_start_says_so(
    world: World, origin: Original
) -> None:
    spare = origin.cast.snapshot_id
    forget_snapshot(world, spare)
    before = inventory(world)
    with structlog.testing.capture_logs() as lines:
        sweeps = Sweeps(world)
    (line,) = lines
    assert (line["event"], line["ids"]) == ("disks without a record", [spare])
    assert "region.sqlite" in line["remedy"]
    assert "souche trash" in line["remedy"]
    sweeps.run()
    advance(world, hours=48)
    sweeps.run()
    assert inventory(world) == before


def test_nothing_else_is_swept_beside_them(world: World, origin: Original) -> None:
    """Guests, and what loses its record later: the records cannot be trusted."""
    forget_snapshot(world, origin.cast.snapshot_id)
    sweeps = Sweeps(world)
    with world.region.store.begin() as connection:
        volume_records.erase(connection, origin.cast.volume_id)
    before = inventory(world)
    sweeps.run()
    assert inventory(world) == before


def test_sweeps_go_on_when_these_disks_are_given_up(world: World, origin: Original) -> None:
    spare = origin.cast.snapshot_id
    forget_snapshot(world, spare)
    sweeps = Sweeps(world)
    world.disks.store.create_volume("vol-00000001", 1 << 20)
    world.disks.store.discard("snapshot", spare, world.parts.clock.now())
    sweeps.run()
    assert [each.resource_id for each in world.disks.store.trash()] == [spare, "vol-00000001"]
    advance(world, hours=24)
    sweeps.run()
    assert world.disks.store.trash() == []


def test_what_loses_its_record_later_is_in_the_trash_for_a_day(world: World, origin: Original) -> None:
    spare, sweeps = origin.cast.snapshot_id, Sweeps(world)
    forget_snapshot(world, spare)
    sweeps.run()
    assert spare not in inventory(world)
    advance(world, hours=23, minutes=59)
    sweeps.run()
    assert [each.resource_id for each in world.disks.store.trash()] == [spare]
    advance(world, minutes=1)
    sweeps.run()
    assert world.disks.store.trash() == []


def test_a_clock_that_is_set_forward_does_not_empty_the_trash(world: World, origin: Original) -> None:
    """Only time counts for which the server ran: in one process, or across several."""
    spare, sweeps = origin.cast.snapshot_id, Sweeps(world)
    forget_snapshot(world, spare)
    sweeps.running_seconds = lambda: 0.0
    sweeps.run()
    advance(world, hours=24 * 400)
    sweeps.run()
    sweeps = Sweeps(world)
    sweeps.run()
    assert [each.resource_id for each in world.disks.store.trash()] == [spare]


def test_the_time_in_the_trash_goes_on_after_a_restart(world: World, origin: Original) -> None:
    spare, sweeps = origin.cast.snapshot_id, Sweeps(world)
    forget_snapshot(world, spare)
    sweeps.run()
    advance(world, hours=14)
    sweeps.run()
    sweeps = Sweeps(world)
    advance(world, hours=9, minutes=59)
    sweeps.run()
    assert [each.resource_id for each in world.disks.store.trash()] == [spare]
    advance(world, minutes=1)
    sweeps.run()
    assert world.disks.store.trash() == []


@pytest.mark.parametrize("damaged", [b"", b"[1]", b'{"a": null}', b"\xff"])
def test_ages_that_are_damaged_begin_again(world: World, origin: Original, damaged: bytes) -> None:
    (world.home / "trash-ages.json").write_bytes(damaged)
    spare, sweeps = origin.cast.snapshot_id, Sweeps(world)
    forget_snapshot(world, spare)
    sweeps.run()
    assert [each.resource_id for each in world.disks.store.trash()] == [spare]


@pytest.mark.parametrize("kind", ["recover", "purge"])
def test_a_disk_in_the_trash_that_fails_holds_up_no_other(
    world: World, origin: Original, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """At the start too: it would not have ended."""
    store, ids_ = world.disks.store, [f"vol-0000000{number}" for number in range(3)]
    if kind == "recover":
        ids_ = sorted([origin.cast.snapshot_id, origin.cast.volume_id])
    for each in ids_:
        if kind == "purge":
            store.create_volume(each, MIB)
        store.discard("snapshot" if each.startswith("snap") else "volume", each, DATE)
    act = store.restore if kind == "recover" else store.purge

    def act_on_most(disk_kind: DiskKind, resource_id: str) -> None:
        if resource_id == ids_[0]:
            raise StorageFailed(reason="no")
        act(disk_kind, resource_id)

    monkeypatch.setattr(store, act.__name__, act_on_most)
    Sweeps(world, kept=timedelta(0)).run()
    assert [each.resource_id for each in store.trash()] == ids_[:1]


def test_a_disk_in_the_trash_comes_back_with_its_record(world: World, origin: Original) -> None:
    spare, before = origin.cast.snapshot_id, world.see()
    world.disks.store.discard("snapshot", spare, world.parts.clock.now())
    world.disks.store.discard("volume", origin.cast.volume_id, world.parts.clock.now())
    advance(world, hours=48)
    Sweeps(world).run()
    assert world.see() == before
    assert world.disks.store.trash() == []


def on_qcow2(world: World) -> Parts:
    """The same records, with a disk of each in files."""
    store = Qcow2Store(world.home)
    recorded = inventory_of(world.disks.store)
    for volume_id in recorded.volume_ids:
        store.create_volume(volume_id, MIB)
    for snapshot_id in recorded.snapshot_ids:
        store.create_volume("vol-00000001", MIB)
        store.capture([Capture("vol-00000001", snapshot_id)], vm_id=None, live=None)
        store.delete_volume("vol-00000001")
    return replace(world.parts, volumes=store)


@pytest.mark.parametrize("kind", ["snapshot", "volume"])
def test_nothing_is_collected_while_a_record_has_no_disk(world: World, origin: Original, kind: str) -> None:
    """The link of the disk was lost, so its layer has no name."""
    parts, lost = on_qcow2(world), origin.cast.snapshot_id if kind == "snapshot" else origin.cast.volume_id
    parts.volumes.collect()
    link = world.home / "disks" / f"{kind}s" / lost
    layer = link.resolve()
    target = link.readlink()
    link.unlink()
    with structlog.testing.capture_logs() as lines:
        hold = Hold(parts)
        for _ in range(3):
            hold.collect(parts)
    assert layer.exists()
    assert [(line["event"], line["ids"]) for line in lines] == [("records without their disk", [lost])]
    link.symlink_to(target)
    hold.collect(parts)
    parts.volumes.discard("snapshot" if kind == "snapshot" else "volume", lost, DATE)
    with world.region.store.begin() as connection:
        snapshot_records.erase(connection, [lost])
        volume_records.erase(connection, lost)
    Sweeps(world, parts, kept=timedelta(0)).run()
    assert not layer.exists()


@pytest.mark.parametrize("kept", [1, holds.KEPT])
def test_missing_disks_are_counted_and_logged_when_there_are_more(
    world: World, origin: Original, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """However many: only the first are kept in memory."""
    monkeypatch.setattr(holds, "KEPT", kept)
    sweeps = Sweeps(world)
    with structlog.testing.capture_logs() as lines:
        world.disks.store.delete_snapshot(origin.cast.snapshot_id)
        for _ in range(2):
            sweeps.hold.collect(world.parts)
        world.disks.store.delete_volume(origin.cast.volume_id)
        for _ in range(2):
            sweeps.hold.collect(world.parts)
    assert [line["count"] for line in lines] == [1, 2]
    assert lines[-1]["ids"] == [origin.cast.snapshot_id, origin.cast.volume_id][:kept]


def test_a_disk_that_disappears_without_a_change_of_records_is_noticed(
    world: World, origin: Original
) -> None:
    hold = Hold(world.parts)
    world.disks.store.delete_snapshot(origin.cast.snapshot_id)
    with structlog.testing.capture_logs() as lines:
        hold.collect(world.parts)
    assert [line["ids"] for line in lines] == [[origin.cast.snapshot_id]]


def test_what_is_being_made_or_deleted_needs_no_disk(world: World, origin: Original) -> None:
    region, alice = world.region, origin.cast.alice
    volumes.create(region, alice, volumes.Create(region.subregion_name, size_gib=1))
    snapshots.create_from_volume(region, alice, snapshots.FromVolume(origin.cast.volume_id))
    snapshots.delete(region, alice, origin.cast.snapshot_id)
    world.disks.store.delete_snapshot(origin.cast.snapshot_id)
    assert not list(disk_pages.missing(world.parts.store, world.parts.volumes))


def test_captures_of_a_backup_under_way_are_left_alone(world: World, origin: Original) -> None:
    backup_id = ids.new_backup(world.region.clock.now())
    capture = Capture(origin.cast.volume_id, ids.backup_capture(backup_id, origin.cast.volume_id))
    world.disks.store.capture([capture], vm_id=None, live=None)
    leftovers.remove(world.parts)
    assert capture.snapshot_id in inventory(world)
    advance(world, days=2)
    leftovers.remove(world.parts)
    assert capture.snapshot_id not in inventory(world)


def test_what_a_backup_left_is_no_disk_that_lost_its_record(world: World, origin: Original) -> None:
    capture = Capture(origin.cast.volume_id, f"backup-1-{origin.cast.volume_id}")
    world.disks.store.capture([capture], vm_id=None, live=None)
    hold = Hold(world.parts)
    assert hold.disks == frozenset()
    hold.sweep(world.parts)
    assert capture.snapshot_id not in inventory(world)
    assert world.disks.store.trash() == []


def test_disks_that_lose_their_record_while_the_region_runs_are_held_if_the_records_are_older_ones(
    world: World, origin: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standby that lagged took over, or a backup was restored."""
    sweeps = Sweeps(world)
    sweeps.run()
    spare, before = origin.cast.snapshot_id, inventory(world)
    forget_snapshot(world, spare)
    monkeypatch.setattr(world.region.store, "history", lambda: "another")
    with structlog.testing.capture_logs() as lines:
        sweeps.run()
    assert inventory(world) == before
    assert sweeps.hold.disks == {spare}
    assert [line["ids"] for line in lines if "ids" in line] == [[spare]]
    world.disks.store.discard("snapshot", spare, DATE)
    sweeps.run()
    assert sweeps.hold.disks == frozenset()


def test_nothing_is_removed_if_the_records_became_older_while_they_were_read(
    world: World, origin: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeps, spare, read = Sweeps(world), origin.cast.snapshot_id, leftovers.unrecorded_disks

    def older(
        store: Store, disks: VolumeStore, pace: Pace = disk_pages.without_rest
    ) -> leftovers.UnrecordedDisks:
        monkeypatch.setattr(store, "history", lambda: "another")
        forget_snapshot(world, spare)
        return read(store, disks, pace)

    monkeypatch.setattr(leftovers, "unrecorded_disks", older)
    sweeps.run()
    assert spare in inventory(world)
    assert sweeps.hold.disks == {spare}
