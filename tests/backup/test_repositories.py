"""Backups of a real qcow2 store, in a folder and in a bucket of a real SeaweedFS: what comes back is the same to the
last bit."""

import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import pytest

from souche.backup import manifest as manifests
from souche.backup.folder import FolderRepository
from souche.backup.make import FrozenRecords, Source, make
from souche.backup.repository import BackupFailed, NotInBackup, Repository, RepositoryInUse
from souche.backup.restore import HomeNotEmpty, NoBackups, NoSuchBackup, every, find, restore
from souche.backup.verify import verify
from souche.storage.qcow2.archive import Archive
from souche.storage.qcow2.inspection import Qcow2Inspector
from tests.backup.backed_up import (
    EMPTY,
    NOW,
    SECRET,
    SIGNING,
    SNAPSHOT,
    VOLUME,
    Region,
    back_up,
    bytes_of,
    quiet,
    restored,
)
from tests.backup.backed_up import bucket_store as bucket_store
from tests.backup.backed_up import region as region
from tests.backup.backed_up import repository as repository
from tests.storage.bench import SIZE, padded, read_snapshot, write
from tests.storage.test_qcow2 import Qcow2Bench
from tests.support.inventories import inventory_of


def test_a_restored_region_is_the_same_to_the_last_bit(
    region: Region, repository: Repository, tmp_path: Path
) -> None:
    back_up(region, repository)
    bench = restored(repository, tmp_path / "new")
    assert read_snapshot(bench.store, SNAPSHOT) == padded(b"first")
    assert bytes_of(bench, VOLUME) == padded(b"second")
    assert bytes_of(bench, EMPTY) == bytes(2 * SIZE)
    assert inventory_of(bench.store) == inventory_of(region.bench.store)
    assert (tmp_path / "new" / "vault.key").read_text() == SECRET
    assert (tmp_path / "new" / "signing.key").read_text() == SIGNING
    with closing(sqlite3.connect(tmp_path / "new" / "region.sqlite")) as database:
        assert database.execute("SELECT name FROM records").fetchall() == [("of the region",)]


def test_restored_layers_have_records_that_later_damage_is_found_by(region: Region, tmp_path: Path) -> None:
    """With their hashes: they were compared while they were copied. A restore that was killed before a record was
    written writes it when it goes on."""
    repository = FolderRepository(tmp_path / "backups")
    back_up(region, repository)
    home = tmp_path / "new"
    restored(repository, home)
    (home / "region.sqlite").unlink()  # which is written last
    (home / "restoring").touch()
    layer = (home / "disks/snapshots" / SNAPSHOT).readlink().name
    (home / "disks/records" / layer).unlink()
    restored(repository, home)
    inspector = Qcow2Inspector(home / "disks")
    assert (list(inspector.inspect().faults), inspector.compare()) == ([], [])
    path = home / "disks/layers" / layer
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert {fault.resource_id for fault in inspector.compare()} == {SNAPSHOT, VOLUME}


def test_a_restored_home_is_its_owners_alone(region: Region, tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path / "backups")
    back_up(region, repository)
    marker, seen = tmp_path / "new" / "restoring", set()
    restore(
        repository,
        find(repository, None),
        tmp_path / "new",
        Archive,
        lambda *_: seen.add(marker.stat().st_mode & 0o777),
    )
    assert seen == {0o600}
    private = [tmp_path / "new" / name for name in ("vault.key", "signing.key", "region.sqlite")]
    backed_up = [path for path in (tmp_path / "backups").rglob("*") if path.is_file()]
    assert [path for path in (*private, *backed_up) if path.stat().st_mode & 0o077] == []
    assert (tmp_path / "backups").stat().st_mode & 0o077 == 0


def test_a_medium_that_is_full_is_that_of_the_new_home(region: Region, tmp_path: Path) -> None:
    """The folder of the backups was named, and said to be full."""
    repository = FolderRepository(tmp_path / "backups")
    back_up(region, repository)
    key = next(key for key in repository.keys("objects/") if repository.size(key))
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        repository.get_file(key, Path("/dev/full"), lambda _count: None)


def test_a_restore_that_had_just_begun_is_gone_on_with(region: Region, tmp_path: Path) -> None:
    """It was killed when its marker was there, and empty: the folder was taken for somebody else's."""
    repository = FolderRepository(tmp_path / "backups")
    back_up(region, repository)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "restoring").touch()
    assert read_snapshot(restored(repository, tmp_path / "new").store, SNAPSHOT) == padded(b"first")


@pytest.mark.parametrize("served", [False, True])
def test_a_restore_that_had_all_but_ended_takes_no_records_back(
    region: Region,
    tmp_path: Path,
    served: bool,  # noqa: FBT001
) -> None:
    """Its marker was still there, or there again after a power failure: the same command put the old records back."""
    repository, home = FolderRepository(tmp_path / "backups"), tmp_path / "new"
    made = back_up(region, repository).manifest
    restored(repository, home)
    (home / "restoring").write_text(made.backup_id)
    if served:
        (home / "serving.json").touch()
    with closing(sqlite3.connect(home / "region.sqlite")) as database:
        database.execute("INSERT INTO records VALUES ('since then')")
        database.commit()
    with pytest.raises(HomeNotEmpty) if served else nullcontext():
        restored(repository, home)
    assert (home / "restoring").exists() == served
    with closing(sqlite3.connect(home / "region.sqlite")) as database:
        assert ("since then",) in database.execute("SELECT name FROM records").fetchall()


def test_a_second_backup_copies_what_is_new(region: Region, repository: Repository) -> None:
    first = back_up(region, repository)
    objects = set(repository.keys("objects/"))
    again = back_up(region, repository)
    assert set(repository.keys("objects/")) == objects
    assert again.new_bytes == 0 < first.new_bytes
    write(region.bench, VOLUME, b"latest")
    third = back_up(region, repository)
    assert len(set(repository.keys("objects/")) - objects) == 1
    assert [layer.name for layer in third.manifest.layers][:-1] == [
        layer.name for layer in first.manifest.layers
    ]


def test_each_backup_is_restored_as_it_was(region: Region, repository: Repository, tmp_path: Path) -> None:
    first = back_up(region, repository).manifest.backup_id
    write(region.bench, VOLUME, b"latest")
    region.bench.store.delete_snapshot(SNAPSHOT)
    region.bench.store.collect()
    back_up(region, repository)
    assert bytes_of(restored(repository, tmp_path / "old", first), VOLUME) == padded(b"second")
    assert read_snapshot(Qcow2Bench(tmp_path / "old").store, SNAPSHOT) == padded(b"first")
    assert bytes_of(restored(repository, tmp_path / "new"), VOLUME) == padded(b"latest")


def test_a_volume_that_is_written_to_while_others_are_captured_is_captured_too(
    region: Region, repository: Repository, tmp_path: Path
) -> None:
    def launch() -> None:
        region.bench.store.clone_volume("vol-44444444", SNAPSHOT, SIZE)
        write(region.bench, "vol-44444444", b"of a new VM")

    region.meanwhile = launch
    made = back_up(region, repository)
    assert region.captured == [VOLUME, "vol-44444444"]
    assert made.uncaptured == ()
    assert bytes_of(restored(repository, tmp_path / "new"), "vol-44444444") == padded(b"of a new VM")


def test_captures_for_a_backup_leave_nothing(region: Region, repository: Repository) -> None:
    before = inventory_of(region.bench.store)
    back_up(region, repository)
    assert region.captured == [VOLUME]
    assert inventory_of(region.bench.store) == before


def test_records_and_disks_are_of_one_instant(region: Region, repository: Repository) -> None:
    """The records are frozen while nothing can change the disks, and copied when it can again: that may take long."""
    locked = []

    class Watched(Region):
        @contextmanager
        def frozen(self) -> Iterator[FrozenRecords]:
            locked.append(("freeze", is_locked(self.home)))
            yield FrozenRecords((), self.copy)
            locked.append(("end", is_locked(self.home)))

        def copy(self, path: Path) -> None:
            locked.append(("copy", is_locked(self.home)))
            super().copy(path)

    back_up(Watched(region.bench, region.home), repository)
    assert locked == [("freeze", True), ("end", False), ("freeze", True), ("copy", False), ("end", False)]


def is_locked(home: Path) -> bool:
    """Whether somebody works on the store."""
    with (home / "disks" / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_layers_that_are_collected_meanwhile_are_in_the_backup(region: Region, tmp_path: Path) -> None:
    class Collecting(FolderRepository):
        def put_file(self, key: str, path: Path, progress: Callable[[int], None]) -> None:
            region.bench.store.delete_snapshot(SNAPSHOT)
            region.bench.store.delete_volume(VOLUME)
            region.bench.store.collect()
            super().put_file(key, path, progress)

    back_up(region, Collecting(tmp_path / "backups"))
    bench = restored(FolderRepository(tmp_path / "backups"), tmp_path / "new")
    assert read_snapshot(bench.store, SNAPSHOT) == padded(b"first")
    assert bytes_of(bench, VOLUME) == padded(b"second")


def test_a_backup_that_was_broken_off_is_none(region: Region, tmp_path: Path) -> None:
    class Broken(FolderRepository):
        def write(self, key: str, data: bytes) -> None:
            if key.startswith(manifests.BACKUPS):
                raise BackupFailed(reason="the medium is full")
            super().write(key, data)

    with pytest.raises(BackupFailed):
        back_up(region, Broken(tmp_path / "backups"))
    repository = FolderRepository(tmp_path / "backups")
    with pytest.raises(NoBackups):
        find(repository, None)
    assert back_up(region, repository).manifest.damaged == {}


def test_verify_reads_every_byte_of_every_backup(region: Region, repository: Repository) -> None:
    back_up(region, repository)
    write(region.bench, VOLUME, b"latest")
    back_up(region, repository)
    done = verify(repository, quiet)
    assert (done.backups, done.findings) == (2, ())
    assert done.objects == len(repository.keys("objects/"))


def test_restore_refuses_a_home_that_holds_something(region: Region, tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path / "backups")
    back_up(region, repository)
    with pytest.raises(HomeNotEmpty):
        restored(repository, region.home)
    assert bytes_of(region.bench, VOLUME) == padded(b"second")


def test_a_place_of_another_region_or_of_something_else_is_refused(region: Region, tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path / "backups")
    back_up(region, repository)
    other = Source(region.home, "eu-test-1", "another region", Archive(region.home), region)
    with pytest.raises(BackupFailed, match="another region"):
        make(other, repository, NOW, quiet)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(BackupFailed, match="other files"):
        make(region.source, FolderRepository(tmp_path / "photos"), NOW, quiet)


def test_two_backups_at_once_into_one_folder_are_refused(region: Region, tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path / "backups")
    with repository.alone(), pytest.raises(RepositoryInUse):
        back_up(region, FolderRepository(tmp_path / "backups"))


def test_a_backup_that_is_not_there_is_said(region: Region, repository: Repository) -> None:
    back_up(region, repository)
    with pytest.raises(NoSuchBackup):
        find(repository, "20261127t200000z-00000000")
    with pytest.raises(NotInBackup):
        repository.read("backups/none.json")
    assert [each.backup_id for each in every(repository)] == [find(repository, None).backup_id]
