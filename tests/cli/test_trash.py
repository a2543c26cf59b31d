"""souche trash"""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from souche.db import snapshots, volumes
from souche.main import administration
from souche.states import SnapshotState, VolumeState
from souche.storage.base import Capture
from souche.storage.qcow2 import Qcow2Store
from tests.cli.conftest import Souche
from tests.support.inventories import inventory_of

GIB = 1 << 30
VOLUME, SNAPSHOT = "vol-00000001", "snap-00000001"
DATE = datetime(2026, 11, 24, 10, tzinfo=UTC)


@pytest.fixture
def disks(souche: Souche) -> Qcow2Store:
    """A volume and a snapshot of it without records."""
    souche("account", "create", "alice")
    store = Qcow2Store(souche.home)
    store.create_volume(VOLUME, 2 * GIB)
    store.capture([Capture(VOLUME, SNAPSHOT)], vm_id=None, live=None)
    return store


@pytest.fixture
def trashed(disks: Qcow2Store) -> Qcow2Store:
    disks.discard("snapshot", SNAPSHOT, DATE)
    disks.discard("volume", VOLUME, DATE)
    return disks


def row(
    resource_id: str, date: str | None = "2026-11-24T10:00:00Z", size: int | None = 2 * GIB
) -> dict[str, object]:
    kind = "volume" if resource_id == VOLUME else "snapshot"
    return {"ResourceId": resource_id, "Kind": kind, "SizeBytes": size, "DiscardDate": date}


def rows(souche: Souche, *words: str) -> list[dict[str, object]]:
    """What a command about the trash tells, a list."""
    (found,) = souche("trash", *words)
    assert isinstance(found, list)
    return found


def states(home: Path) -> tuple[SnapshotState | None, VolumeState | None]:
    with administration.administer(home) as administered, administered.region.store.read() as connection:
        snapshot, volume = snapshots.get(connection, SNAPSHOT), volumes.get(connection, VOLUME)
    return snapshot.state if snapshot else None, volume.state if volume else None


def test_the_trash_is_listed(souche: Souche, trashed: Qcow2Store) -> None:
    assert rows(souche, "list") == [row(SNAPSHOT), row(VOLUME)]
    first, second = souche.run("trash", "list").splitlines()
    assert first.split() == [SNAPSHOT, "snapshot", "2", "GiB", "2026-11-24T10:00:00Z"]
    assert second.split()[:2] == [VOLUME, "volume"]


def test_disks_without_a_record_are_listed_too(souche: Souche, disks: Qcow2Store) -> None:
    assert rows(souche, "list") == [row(SNAPSHOT, None, None), row(VOLUME, None, None)]
    assert "not in the trash, no record" in souche.run("trash", "list")


def test_a_snapshot_comes_back_as_one_that_can_be_used(souche: Souche, trashed: Qcow2Store) -> None:
    assert souche("trash", "restore", SNAPSHOT, "--account", "alice") == [row(SNAPSHOT, None)]
    assert inventory_of(trashed).snapshot_ids == {SNAPSHOT}
    assert [each.resource_id for each in trashed.trash()] == [VOLUME]
    with (
        administration.administer(souche.home) as administered,
        administered.region.store.read() as connection,
    ):
        snapshot = snapshots.get(connection, SNAPSHOT)
    assert snapshot is not None
    assert (snapshot.state, snapshot.progress_percent, snapshot.volume_size_gib) == ("completed", 100, 2)


def test_a_volume_comes_back_as_one_that_can_be_used(souche: Souche, trashed: Qcow2Store) -> None:
    souche("trash", "restore", VOLUME, "--account", "alice")
    assert inventory_of(trashed).volume_ids == {VOLUME}
    with (
        administration.administer(souche.home) as administered,
        administered.region.store.read() as connection,
    ):
        volume = volumes.get(connection, VOLUME)
    assert volume is not None
    assert (volume.state, volume.size_gib) == ("available", 2)


def test_a_disk_without_a_record_gets_one_where_it_is(souche: Souche, disks: Qcow2Store) -> None:
    souche("trash", "restore", SNAPSHOT, "--account", "alice")
    assert states(souche.home) == (SnapshotState.COMPLETED, None)
    assert inventory_of(disks).snapshot_ids == {SNAPSHOT}
    assert rows(souche, "list") == [row(VOLUME, None, None)]


def test_a_disk_that_has_its_record_needs_no_account(souche: Souche, trashed: Qcow2Store) -> None:
    souche("trash", "restore", SNAPSHOT, "--account", "alice")
    trashed.discard("snapshot", SNAPSHOT, DATE)
    souche("trash", "restore", SNAPSHOT)
    assert inventory_of(trashed).snapshot_ids == {SNAPSHOT}


def test_whose_a_disk_is_must_be_said(souche: Souche, trashed: Qcow2Store) -> None:
    assert "--account" in souche.refusal("trash", "restore", SNAPSHOT)
    assert "nobody" in souche.refusal("trash", "restore", SNAPSHOT, "--account", "nobody")
    assert states(souche.home) == (None, None)
    assert len(trashed.trash()) == 2


@pytest.mark.parametrize("command", ["restore", "discard", "empty"])
def test_what_is_not_there_is_refused(souche: Souche, trashed: Qcow2Store, command: str) -> None:
    assert "snap-0000000f" in souche.refusal("trash", command, "snap-0000000f")
    assert "../volumes" in souche.refusal("trash", command, "../volumes")
    assert len(trashed.trash()) == 2


def test_a_disk_whose_file_is_gone_is_not_restored(souche: Souche, trashed: Qcow2Store) -> None:
    for layer in (souche.home / "disks" / "layers").iterdir():
        layer.unlink()
    assert SNAPSHOT in souche.refusal("trash", "restore", SNAPSHOT, "--account", "alice")
    assert states(souche.home) == (None, None)


def test_disks_without_a_record_are_given_up(souche: Souche, disks: Qcow2Store) -> None:
    for words, resource_id in ((("discard", VOLUME), VOLUME), (("discard",), SNAPSHOT)):
        (told,) = rows(souche, *words)
        assert told == row(resource_id, str(told["DiscardDate"]))
    assert rows(souche, "discard") == []
    assert len(disks.trash()) == 2


def test_the_trash_is_emptied_and_nothing_else(souche: Souche, disks: Qcow2Store) -> None:
    disks.discard("volume", VOLUME, DATE)
    assert rows(souche, "empty") == [row(VOLUME)]
    assert rows(souche, "list") == [row(SNAPSHOT, None, None)]
    disks.discard("snapshot", SNAPSHOT, DATE)
    assert rows(souche, "empty", SNAPSHOT) == [row(SNAPSHOT)]
    disks.collect()
    assert list((souche.home / "disks" / "layers").iterdir()) == []


def test_a_disk_whose_record_is_back_is_not_emptied_out(souche: Souche, trashed: Qcow2Store) -> None:
    """A newer database came back, and no server has run since: the disk would have been lost for good."""
    souche("trash", "restore", SNAPSHOT, "--account", "alice")
    trashed.discard("snapshot", SNAPSHOT, DATE)
    assert "has its record" in souche.refusal("trash", "empty", SNAPSHOT)
    assert rows(souche, "empty") == [row(VOLUME)]
    assert [each.resource_id for each in trashed.trash()] == [SNAPSHOT]


def test_nothing_is_said_in_words(souche: Souche) -> None:
    souche("account", "create", "alice")
    for command in ("list", "discard", "empty"):
        assert rows(souche, command) == []
        (line,) = souche.run("trash", command).splitlines()
        assert line.endswith(".")


def test_what_is_restored_is_told_as_it_is_then(souche: Souche, trashed: Qcow2Store) -> None:
    said = souche.run("trash", "restore", VOLUME, "--account", "alice")
    assert said.split() == [VOLUME, "volume", "2", "GiB", "available"]


@pytest.mark.parametrize("words", [("trash", "list"), ("account", "list"), ("quota", "show", "alice")])
def test_a_home_without_a_region_is_refused_and_stays_as_it_is(
    souche: Souche, words: tuple[str, ...]
) -> None:
    """A mistyped folder made a new region."""
    said = souche.refusal(*words)
    assert "No region has been served" in said
    assert not souche.home.exists()
