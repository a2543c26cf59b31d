"""Backups of a real qcow2 store, in a folder and in a bucket of a real SeaweedFS: what comes back is the same to the
last bit."""

import errno
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from souche import ids
from souche.backup import manifest as manifests
from souche.backup.bucket import BucketRepository
from souche.backup.folder import FolderRepository
from souche.backup.make import FrozenRecords, MadeBackup, Source, make
from souche.backup.manifest import BACKUPS, Bucket, Stored
from souche.backup.repository import BackupFailed, NotInBackup, Repository, RepositoryInUse, hash_file
from souche.backup.restore import HomeNotEmpty, NoBackups, NoSuchBackup, every, find, restore
from souche.backup.verify import verify
from souche.errors import DiskDamaged
from souche.storage.base import Capture
from souche.storage.qcow2.archive import Archive
from souche.storage.qcow2.inspection import Qcow2Inspector
from tests.objects.server import ALICE, seaweedfs, store_of
from tests.storage.bench import SIZE, padded, read_snapshot, write
from tests.storage.test_qcow2 import Qcow2Bench
from tests.storage.test_qcow2_damage import FAST, change, cut
from tests.support.inventories import inventory_of

NOW = datetime(2026, 11, 27, 20, tzinfo=UTC)
VOLUME, EMPTY, SNAPSHOT = "vol-11111111", "vol-22222222", "snap-33333333"
TIMES = count()
SECRET = "the key of every secret"
SIGNING = "the sealed signing key"


def quiet(_what: str, _done: int, _total: int | None) -> None:
    """The progress of a backup that nobody watches."""


@dataclass
class Region:
    """A region of a store and a table; its captures are the store's own. `meanwhile` happens once, after the first
    round of captures."""

    bench: Qcow2Bench
    home: Path
    meanwhile: Callable[[], None] = lambda: None
    captured: list[str] = field(default_factory=list)

    @property
    def source(self) -> Source:
        return Source(self.home, "eu-test-1", "a-region", Archive(self.home), self)

    @contextmanager
    def frozen(self) -> Iterator[FrozenRecords]:
        yield FrozenRecords((), self.copy)

    def copy(self, path: Path) -> None:
        shutil.copy(self.home / "region.sqlite", path)

    def buckets(self) -> Sequence[Bucket]:
        return [Bucket("exports", "000000000001")]

    def capture(self, backup_id: str, volume_ids: Sequence[str]) -> None:
        self.captured += volume_ids
        for volume_id in volume_ids:
            capture = Capture(volume_id, ids.backup_capture(backup_id, volume_id))
            with suppress(DiskDamaged):
                self.bench.store.capture([capture], vm_id=None, live=None)
        self.meanwhile()
        self.meanwhile = lambda: None


@pytest.fixture
def region(tmp_path: Path) -> Region:
    """A snapshot, a volume that was written to since, and an empty volume."""
    home = tmp_path / "home"
    bench = Qcow2Bench(home)
    with closing(sqlite3.connect(home / "region.sqlite")) as database:
        database.execute("CREATE TABLE records (name TEXT)")
        database.execute("INSERT INTO records VALUES ('of the region')")
        database.commit()
    (home / "vault.key").write_text(SECRET)
    (home / "signing.key").write_text(SIGNING)
    bench.store.create_volume(VOLUME, SIZE)
    write(bench, VOLUME, b"first")
    bench.store.capture([Capture(VOLUME, SNAPSHOT)], vm_id=None, live=None)
    write(bench, VOLUME, b"second")
    bench.store.create_volume(EMPTY, 2 * SIZE)
    return Region(bench, home)


@pytest.fixture(scope="module")
def bucket_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Repository]]:
    with seaweedfs(tmp_path_factory.mktemp("oos")) as server:
        server.accounts.ensure_bucket("backups", ALICE.account_id)
        yield lambda prefix: BucketRepository(store_of(server, ALICE), "backups", prefix)


@pytest.fixture(params=["folder", "bucket"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    if request.param == "folder":
        return FolderRepository(tmp_path / "backups")
    made: Repository = request.getfixturevalue("bucket_store")(tmp_path.name)
    return made


def back_up(region: Region, repository: Repository) -> MadeBackup:
    return make(region.source, repository, NOW + timedelta(seconds=next(TIMES)), quiet)


def restored(repository: Repository, home: Path, backup_id: str | None = None) -> Qcow2Bench:
    restore(repository, find(repository, backup_id), home, Archive, quiet)
    return Qcow2Bench(home)


def bytes_of(bench: Qcow2Bench, volume_id: str) -> bytes:
    return bench.read(volume_id, bench.store.volume_source(volume_id))


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


def test_what_is_damaged_is_said_and_the_rest_is_backed_up(
    region: Region, repository: Repository, tmp_path: Path
) -> None:
    region.bench.store.create_volume("vol-55555555", SIZE)
    (region.home / "disks" / "volumes" / "vol-55555555").resolve().unlink()
    made = back_up(region, repository)
    assert set(made.manifest.damaged) == {"vol-55555555"}
    assert bytes_of(restored(repository, tmp_path / "new"), VOLUME) == padded(b"second")


def damage_layer(region: Region, damage: Callable[[Path], None], *, found: bool = False) -> Path:
    """Damage the layer of the snapshot once its hash is recorded, and have the damage `found` by a comparison."""
    region.bench.store.record_hashes(FAST)
    layer = (region.home / "disks" / "snapshots" / SNAPSHOT).resolve()
    before = layer.stat()
    damage(layer)
    os.utime(layer, ns=(before.st_atime_ns, before.st_mtime_ns))
    if found:
        assert False in {region.bench.store.compare_hashes(FAST) for _ in range(2)}
    return layer


@pytest.mark.parametrize(
    ("damage", "found", "known"), [(cut, False, True), (change, False, False), (change, True, False)]
)
def test_a_layer_that_is_not_what_it_was_is_no_good_backup(
    region: Region,
    tmp_path: Path,
    damage: Callable[[Path], None],
    found: bool,  # noqa: FBT001
    known: bool,  # noqa: FBT001
) -> None:
    """It was copied as it was found, and was whole by every record after a restore."""
    repository = FolderRepository(tmp_path / "backups")
    if known:
        back_up(region, repository)
    layer = damage_layer(region, damage, found=found)
    made = back_up(region, repository).manifest
    assert set(made.damaged) == {SNAPSHOT, VOLUME}
    assert all(f"layer {layer.name} has " in reason for reason in made.damaged.values())
    bench = restored(repository, tmp_path / "new")
    assert inventory_of(bench.store).snapshot_ids == set()
    assert bytes_of(bench, EMPTY) == bytes(2 * SIZE)
    assert not (tmp_path / "backups" / manifests.object_key(hash_file(layer).sha256)).exists()


@pytest.mark.parametrize(("found", "touched"), [(False, False), (False, True), (True, False)])
def test_a_layer_with_other_bytes_is_backed_up_as_the_repository_has_it(
    region: Region,
    tmp_path: Path,
    found: bool,  # noqa: FBT001
    touched: bool,  # noqa: FBT001
) -> None:
    """The disk was left out, though its good bytes were there."""
    repository = FolderRepository(tmp_path / "backups")
    back_up(region, repository)
    layer = damage_layer(region, change, found=found)
    if touched:
        layer.touch()
    assert back_up(region, repository).manifest.damaged == {}
    bench = restored(repository, tmp_path / "new")
    assert read_snapshot(bench.store, SNAPSHOT) == padded(b"first")
    assert bytes_of(bench, VOLUME) == padded(b"second")


@pytest.mark.parametrize("number", [errno.EIO, errno.EUCLEAN, errno.EBADMSG])
def test_a_layer_that_the_medium_cannot_read_keeps_nothing_else_from_the_backup(
    region: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    repository = FolderRepository(tmp_path / "backups")
    layer = (region.home / "disks" / "snapshots" / SNAPSHOT).resolve()
    damaged = layer.stat().st_ino

    def failing(path: Path) -> Stored:
        if path.stat().st_ino == damaged:
            raise OSError(number, os.strerror(number))
        return hash_file(path)

    monkeypatch.setattr("souche.backup.make.hash_file", failing)
    made = back_up(region, repository).manifest
    reason = f"layer {layer.name} cannot be read to its end"
    assert made.damaged == {SNAPSHOT: reason, VOLUME: reason}
    assert bytes_of(restored(repository, tmp_path / "new"), EMPTY) == bytes(2 * SIZE)


def test_a_damaged_manifest_keeps_no_other_backup_from_being_made(region: Region, tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path / "backups")
    back_up(region, repository)
    repository.write(repository.keys(BACKUPS)[-1], b"{")
    back_up(region, repository)
    assert bytes_of(restored(repository, tmp_path / "new"), VOLUME) == padded(b"second")


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


def test_verify_finds_what_is_damaged_and_what_is_missing(region: Region, repository: Repository) -> None:
    first = back_up(region, repository).manifest
    write(region.bench, VOLUME, b"latest")
    second = back_up(region, repository).manifest
    shared = manifests.object_key(first.layers[0].stored.sha256)
    repository.write(shared, bytes(first.layers[0].stored.bytes))
    damaged = verify(repository, quiet).findings
    assert [(each.key, set(each.backup_ids)) for each in damaged] == [
        (shared, {first.backup_id, second.backup_id})
    ]


def test_restore_refuses_damaged_bytes(region: Region, tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path / "backups")
    made = back_up(region, repository).manifest
    damaged = tmp_path / "backups" / manifests.object_key(made.layers[0].stored.sha256)
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(Exception, match="does not contain its original bytes"):
        restored(repository, tmp_path / "new")
    assert not (tmp_path / "new" / "region.sqlite").exists()
    data[-1] ^= 1
    damaged.write_bytes(data)
    assert bytes_of(restored(repository, tmp_path / "new"), VOLUME) == padded(b"second")


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


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"vault.key"', '"../vault.key"'),
        ('"vault.key"', '"/etc/shadow"'),
        (f'"{SNAPSHOT}"', '"../snap"'),
        (f'"{VOLUME}.qcow2"', '"../escaped.qcow2"'),
        (f'"{SNAPSHOT}": "', f'"{SNAPSHOT}": "no-'),
        ('"Version": 1', '"Version": 2'),
        ('"Version": 1', '"Version": "one"'),
    ],
)
def test_a_manifest_that_could_leave_the_home_is_refused(
    region: Region, tmp_path: Path, before: str, after: str
) -> None:
    repository = FolderRepository(tmp_path / "backups")
    back_up(region, repository)
    data = repository.read(repository.keys(manifests.BACKUPS)[0]).decode()
    assert before in data
    with pytest.raises(manifests.BadBackup):
        manifests.read_manifest(data.replace(before, after).encode())
