"""Backups of regions whose records are in PostgreSQL, and restores into PostgreSQL."""

import sqlite3
import subprocess
import tarfile
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from souche import config
from souche.backup import restore
from souche.backup.restore import RESTORING, HomeNotEmpty
from souche.cli.composition import BackupPlace, RecordsPlace
from souche.db import schema
from souche.db.engines.postgresql_processes import RecordsInUse
from souche.db.engines.sqlite import Sqlite
from souche.db.row_copies import RecordsThere
from souche.db.store import Store
from souche.home import Home
from souche.main import records
from souche.main.backups import Backups
from souche.main.databases import open_records, open_store
from souche.main.identity import RestoreBroken
from souche.main.records import Place
from souche.main.restored_records import RestoredRecords
from souche.storage.qcow2 import Qcow2Store
from tests.support.all_records import fill, rows
from tests.support.inventories import inventory_of
from tests.support.polling import eventually
from tests.test_main import GRACE_SECONDS, SOUCHE, serving, souche, told

MIB = 1 << 20
SECRET = "Pa55-w0rd"
BACKUPS = 10
FORMER = Path(__file__).parents[1] / "upgrades" / "before-typed-params.tar.xz"
Rows = Mapping[str, list[tuple[object, ...]]]


@pytest.fixture
def place(tmp_path: Path) -> BackupPlace:
    return BackupPlace(str(tmp_path / "backups"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Of a region on SQLite with a disk, and two rows in each table."""
    home = Home(tmp_path / "home")
    told("account", "create", "alice", "--home", home.path)
    home.record_facts({"Compute": "simulated"})
    Qcow2Store(home.path).create_volume("vol-00000001", MIB)
    with open_store(home) as store:
        fill(store, but=schema.region)
    return home


def quiet(_what: str, _done: int, _total: int | None) -> None:
    """Ignores the progress."""


def back_up(home: Home, place: BackupPlace) -> None:
    made = Backups().make(home.path, place, quiet)
    assert (made.uncaptured, dict(made.manifest.damaged)) == ((), {})


def restored(place: BackupPlace, to: Path, url: str = "") -> Home:
    Backups().restore(place, None, to, RecordsPlace(url), quiet)
    return Home(to)


def records_of(home: Home) -> Rows:
    with open_store(home) as store:
        return rows(store)


def opened(home: Home, url: str) -> None:
    """Start the region, as far as its records."""
    settings = config.read_settings({"home": home.path, "database": url}, {})
    with open_records(home, records.chosen(home, settings), pytest.fail):
        pass


def tables_of(url: str) -> dict[str, int]:
    """The number of rows of each table that has any."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        counts = {name: connection.execute(b'SELECT count(*) FROM "%s"' % name.encode()) for (name,) in found}
        return {name: count[0] for name, each in counts.items() if (count := each.fetchone()) and count[0]}


def test_a_region_moves_to_postgresql_and_back(
    home: Home, place: BackupPlace, url: str, tmp_path: Path
) -> None:
    before = records_of(home)
    assert {name for name, found in before.items() if found} == set(schema.metadata.tables)
    back_up(home, place)
    there = restored(place, tmp_path / "there", url)
    assert not list(there.path.glob("*region.sqlite*"))
    opened(there, url)
    assert records_of(there) == before
    back_up(there, place)
    again = restored(place, tmp_path / "again")
    assert not again.database_place.exists()
    assert records_of(again) == before
    disks = [inventory_of(Qcow2Store(each.path)) for each in (home, there, again)]
    assert disks[0] == disks[1] == disks[2]
    assert disks[0].volume_ids
    assert Backups().verify(place, quiet).findings == ()


def test_a_served_region_is_backed_up_and_served_from_another_database(
    urls: Callable[[str], str], tmp_path: Path
) -> None:
    """With a password, which the tests' server does not ask for."""
    files = {name: tmp_path / name for name in ("one", "two")}
    for name, file in files.items():
        file.touch(0o600)
        file.write_text(urls(name).replace("postgres@", f"postgres:{SECRET}@"))
    home = tmp_path / "home"
    backups = tmp_path / "backups"
    with serving(home, "--database-file", str(files["one"])) as served:
        account = told("account", "create", "alice", "--home", home)
        made = served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)["Volume"]["VolumeId"]
        eventually(lambda: served.volume_state(account, made) == "available", GRACE_SECONDS)
        backed = souche("backup", "--home", home, backups)
        assert backed.returncode == 0, backed.stderr
        served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)
    words = ("restore", backups, "--home", tmp_path / "new")
    refused = souche(*words, "--database-file", files["one"])
    assert (refused.returncode, (tmp_path / "new").exists()) == (1, False)
    done = souche(*words, "--database-file", files["two"])
    assert done.returncode == 0, done.stderr
    with serving(tmp_path / "new", "--database-file", str(files["two"])) as served:
        volumes = served.call(account, "ReadVolumes")["Volumes"]
        assert [(each["VolumeId"], each["State"]) for each in volumes] == [(made, "available")]
    told_texts = [each.stdout + each.stderr for each in (backed, refused, done)]
    kept = [
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path not in files.values()
    ]
    assert not [text for text in told_texts if SECRET in text]
    assert not [each for each in kept if SECRET.encode() in each]


def test_a_backup_while_others_write_is_of_one_instant(
    home: Home, place: BackupPlace, url: str, tmp_path: Path
) -> None:
    """Each transaction writes the same number into the first table of a copy, and into the last."""
    back_up(home, place)
    there = restored(place, tmp_path / "there", url)
    ending = threading.Event()

    def write() -> None:
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            for number in range(1 << 30):
                if ending.is_set():
                    return
                with connection.transaction():
                    connection.execute("UPDATE accounts SET alias = %s", [str(number)])
                    connection.execute("UPDATE tags SET value = %s", [str(number)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [numbers(there, place) for _ in range(BACKUPS)]
    finally:
        ending.set()
        writer.join()
    assert [len(each) for each in seen] == [1] * BACKUPS
    assert len(set.union(*seen)) > 1, "nothing was written between the backups"


def numbers(home: Home, place: BackupPlace) -> set[str]:
    """The numbers in a backup that is made now."""
    made = Backups().make(home.path, place, quiet)
    sha256 = made.manifest.database.sha256
    with closing(sqlite3.connect(Path(place.name) / "objects" / sha256[:2] / sha256)) as found:
        return {each for (each,) in found.execute("SELECT alias FROM accounts UNION SELECT value FROM tags")}


def test_a_restore_into_another_regions_database_changes_nothing(
    home: Home, place: BackupPlace, url: str, tmp_path: Path
) -> None:
    other = Home(tmp_path / "other")
    other.make()
    opened(other, url)
    back_up(home, place)
    before = records_of(other)
    with pytest.raises(RecordsThere, match="not empty"):
        restored(place, tmp_path / "new", url)
    assert records_of(other) == before
    assert not (tmp_path / "new").exists()


def test_a_restore_into_the_database_of_a_server_is_refused(
    home: Home, place: BackupPlace, url: str, tmp_path: Path
) -> None:
    """It has no records yet: it begins just now."""
    back_up(home, place)
    with closing(Place(url, "", "").open()) as database, database.served(pytest.fail):
        with pytest.raises(RecordsInUse):
            restored(place, tmp_path / "new", url)
        assert tables_of(url) == {}
    assert records_of(restored(place, tmp_path / "new", url)) == records_of(home)


def test_a_load_that_is_killed_leaves_no_row(
    home: Home, place: BackupPlace, url: str, tmp_path: Path
) -> None:
    back_up(home, place)
    with closing(Store(Place(url, "", "").open())) as store:
        store.migrate()
    words: list[str | Path] = [SOUCHE, "restore", place.name, "--home", tmp_path / "new", "--database", url]
    with psycopg.connect(url) as blocking:
        blocking.execute("LOCK TABLE tags IN EXCLUSIVE MODE")
        with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
            eventually(lambda: is_waiting(url, "tags"), GRACE_SECONDS)
            process.kill()
        assert (tmp_path / "new" / RESTORING).exists()
    eventually(lambda: not is_waiting(url, "tags"), GRACE_SECONDS)
    assert tables_of(url) == {"alembic_version": 1}
    with pytest.raises(RestoreBroken):
        opened(Home(tmp_path / "new"), url)
    assert records_of(restored(place, tmp_path / "new", url)) == records_of(home)
    assert not (tmp_path / "new" / RESTORING).exists()


def is_waiting(url: str, table: str) -> bool:
    """Whether a transaction waits for the lock of a table, after it has written to others."""
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
    with psycopg.connect(url) as connection:
        return connection.execute(waiting, [table]).fetchone() is not None


def test_a_restore_that_is_killed_after_its_load_goes_on(
    home: Home, place: BackupPlace, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are not loaded again, and no other restore takes them for its own."""
    back_up(home, place)
    with monkeypatch.context() as killed:
        killed.setattr(RestoredRecords, "keep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            restored(place, tmp_path / "new", url)
    with pytest.raises(RestoreBroken):
        opened(Home(tmp_path / "new"), url)
    with pytest.raises(RecordsThere):
        restored(place, tmp_path / "other", url)
    with pytest.raises(HomeNotEmpty):
        restored(place, tmp_path / "new")
    monkeypatch.setattr(RestoredRecords, "load", interrupted)
    there = restored(place, tmp_path / "new", url)
    opened(there, url)
    assert records_of(there) == records_of(home)
    assert not list(there.path.glob("*region.sqlite*"))


def interrupted(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_restore_into_the_home_does_not_go_on_in_a_database(
    home: Home, place: BackupPlace, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(home, place)
    with monkeypatch.context() as killed:
        killed.setattr(restore, "_write_disks", interrupted)
        with pytest.raises(KeyboardInterrupt):
            restored(place, tmp_path / "new")
    with pytest.raises(HomeNotEmpty):
        restored(place, tmp_path / "new", url)
    assert tables_of(url) == {}


def test_records_of_an_earlier_release_are_upgraded(url: str, tmp_path: Path) -> None:
    """As SQLite's are at the next start."""
    with tarfile.open(FORMER) as archive:
        archive.extractall(tmp_path)  # noqa: S202  (made by this repository)
    with closing(sqlite3.connect(tmp_path / "home" / "region.sqlite")) as source:
        for name in ("backup", "upgraded"):
            with closing(sqlite3.connect(tmp_path / name)) as target:
                source.backup(target)
    RestoredRecords(Home(tmp_path), Place(url, "", "")).load("token", tmp_path / "backup")
    with (
        closing(Store(Sqlite(tmp_path / "upgraded"))) as here,
        closing(Store(Place(url, "", "").open())) as there,
    ):
        here.migrate()
        found, wanted = rows(there), rows(here)
    assert without_random(found) == without_random(wanted)
    assert found["vms"]


def without_random(records: Rows) -> dict[str, list[tuple[object, ...]]]:
    """Without values that the upgrades make at random."""
    kept = {}
    for name, found in records.items():
        columns = [column.name for column in schema.metadata.tables[name].columns]
        places = [place for place, column in enumerate(columns) if column not in ("version", "rule_id")]
        kept[name] = sorted((tuple(row[place] for place in places) for row in found), key=repr)
    return kept


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--database", f"postgresql://someone:{SECRET}@/records"), "it has a password"),
        (("--database", "mysql://someone@host/records"), "--database"),
        (("--database-file", "FILE"), "cannot be reached"),
        (("--database-file", "FILE", "--database", "postgresql://host/records"), "either this or"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_one_line(
    words: tuple[str, ...], said: str, home: Home, place: BackupPlace, tmp_path: Path
) -> None:
    back_up(home, place)
    file = tmp_path / "FILE"
    file.touch(0o600)
    file.write_text(f"postgresql://someone:{SECRET}@/absent?host=/nonexistent")
    given = [str(file) if word == "FILE" else word for word in words]
    done = souche("restore", place.name, "--home", tmp_path / "new", *given)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr.splitlines()[-1]
    assert SECRET not in done.stderr
    assert not (tmp_path / "new").exists()
