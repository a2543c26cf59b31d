"""A region with a volume and a snapshot, and the places of its backups."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from souche import ids
from souche.backup.bucket import BucketRepository
from souche.backup.folder import FolderRepository
from souche.backup.make import FrozenRecords, MadeBackup, Source, make
from souche.backup.manifest import Bucket
from souche.backup.repository import Repository
from souche.backup.restore import find, restore
from souche.errors import DiskDamaged
from souche.storage.base import Capture
from souche.storage.qcow2.archive import Archive
from tests.objects.server import ALICE, seaweedfs, store_of
from tests.storage.bench import SIZE, write
from tests.storage.test_qcow2 import Qcow2Bench

NOW = datetime(2026, 11, 27, 20, tzinfo=UTC)
VOLUME, EMPTY, SNAPSHOT = "vol-11111111", "vol-22222222", "snap-33333333"
TIMES = count()
SECRET = "the key of every secret"
SIGNING = "the sealed signing key"


def quiet(_what: str, _done: int, _total: int | None) -> None:
    """Ignores the progress of a backup."""


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
