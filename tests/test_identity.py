"""The identity of a home: files of different regions are refused, and not changed."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.db.examination import DatabaseDamaged, DatabaseNewer
from souche.errors import SystemFailure
from souche.home import Home
from souche.main import identity
from souche.main.databases import check_databases, open_store
from souche.main.identity import (
    DisksMissing,
    FolderMissing,
    ObjectsMissing,
    RecordsMissing,
    RegionDiffers,
    RestoreBroken,
)
from souche.storage.qcow2 import Qcow2Store

MIB = 1 << 20


def opened(home: Home) -> None:
    """Start the region, as far as its records."""
    home.make()
    check_databases(home)
    with open_store(home):
        pass


def region(path: Path) -> Home:
    """A region with a disk."""
    home = Home(path)
    opened(home)
    Qcow2Store(path).create_volume("vol-00000001", MIB)
    return home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return region(tmp_path / "home")


def files(home: Home) -> dict[str, bytes | None]:
    """Everything in the home: the content of files, and what links lead to."""
    return {
        str(path.relative_to(home.path)): path.read_bytes() if path.is_file() else None
        for path in home.path.rglob("*")
    }


def assert_refused(home: Home, why: type[SystemFailure]) -> None:
    before = files(home)
    for _ in range(2):
        with pytest.raises(why):
            opened(home)
        assert files(home) == before


def ids(home: Home) -> set[str]:
    """What the database and the two files say."""
    with closing(sqlite3.connect(home.database)) as connection:
        (in_database,) = connection.execute("SELECT region_id FROM region").fetchone()
    return {in_database, home.region_id.read_text().strip(), home.disks_region_id.read_text().strip()}


def test_a_region_has_one_id_in_its_database_its_disks_and_its_home(home: Home) -> None:
    (before,) = ids(home)
    opened(home)
    assert ids(home) == {before}


def test_two_regions_have_two_ids(home: Home, tmp_path: Path) -> None:
    assert len(ids(home) | ids(region(tmp_path / "other"))) == 2


def emptied(home: Home) -> None:
    home.database.write_bytes(b"")


def gone(home: Home) -> None:
    home.database.unlink()


def without_its_log(home: Home) -> None:
    """What a copy of the main file was when nothing had reached it: a header and no table."""
    home.database.unlink()
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    assert home.database.stat().st_size == 4096


LOSSES: list[Callable[[Home], None]] = [emptied, gone, without_its_log]


@pytest.mark.parametrize("lose", LOSSES)
def test_a_database_without_records_is_not_served_beside_disks(
    home: Home, lose: Callable[[Home], None]
) -> None:
    lose(home)
    assert_refused(home, RecordsMissing)


@pytest.mark.parametrize("lose", LOSSES)
def test_nor_is_it_beside_the_disks_of_an_earlier_souche(home: Home, lose: Callable[[Home], None]) -> None:
    home.region_id.unlink()
    home.disks_region_id.unlink()
    lose(home)
    assert_refused(home, RecordsMissing)


@pytest.mark.parametrize("lose", LOSSES)
def test_a_region_that_has_no_disks_is_not_begun_anew_either(
    tmp_path: Path, lose: Callable[[Home], None]
) -> None:
    """Its accounts and its buckets are lost with the records."""
    home = Home(tmp_path / "home")
    opened(home)
    lose(home)
    assert_refused(home, RecordsMissing)


def test_the_log_beside_an_empty_database_is_kept(home: Home) -> None:
    """SQLite removes it when it opens such a file, and all the records may be in it."""
    log = home.path / "region.sqlite-wal"
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute(
            "INSERT INTO accounts (account_id, name, alias, creation_date) VALUES ('1', 'alice', NULL, '')"
        )
        connection.commit()
        content = log.read_bytes()
    emptied(home)
    log.write_bytes(content)
    assert_refused(home, RecordsMissing)
    assert log.read_bytes() == content


@pytest.mark.parametrize("layers", [[], ["vol-11111111.qcow2"]])
def test_the_beginning_of_a_restore_is_not_served(tmp_path: Path, layers: list[str]) -> None:
    home = Home(tmp_path / "restored")
    home.make()
    (home.disks / "layers").mkdir(parents=True)
    (home.path / "restoring").write_text("20261127t200000000000-00000000")
    for layer in layers:
        (home.disks / "layers" / layer).touch()
    assert_refused(home, RestoreBroken)


@pytest.mark.parametrize("name", ["layers", "volumes", "snapshots", "captures", "trash", "trash/volumes"])
def test_without_a_folder_that_says_what_is_wanted_it_does_not_start(home: Home, name: str) -> None:
    """Its disks would count as leftovers, and be removed."""
    shutil.rmtree(home.disks / name)
    assert_refused(home, FolderMissing)
    (home.disks / name).mkdir()
    for part in ("volumes", "snapshots"):
        (home.disks / "trash" / part).mkdir(exist_ok=True)
    opened(home)


@pytest.mark.parametrize("name", ["records", "work"])
def test_a_folder_without_which_nothing_is_removed_is_made_again(home: Home, name: str) -> None:
    shutil.rmtree(home.disks / name)
    opened(home)


def test_an_object_store_that_is_gone_is_not_begun_anew_while_buckets_are_on_record(home: Home) -> None:
    """Its file system is not mounted, most often: the buckets and their policies would be forgotten."""
    with open_store(home) as store:
        identity.check_objects(home, store)
        with store.begin() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO accounts (account_id, name, alias, creation_date) VALUES ('1', 'alice', NULL, '')"
                )
            )
            connection.execute(sa.text("INSERT INTO buckets (name, account_id) VALUES ('photos', '1')"))
        home.oos.mkdir()
        with pytest.raises(ObjectsMissing):
            identity.check_objects(home, store)
        assert list(home.oos.iterdir()) == []
        home.oos_data.mkdir()
        identity.check_objects(home, store)


def test_the_home_of_an_earlier_souche_without_a_trash_is_served(home: Home) -> None:
    for file in (home.region_id, home.disks_region_id):
        file.unlink()
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("DELETE FROM region")
        connection.commit()
    shutil.rmtree(home.disks / "trash")
    opened(home)


def test_a_first_start_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    """The folders are made one by one, and there is no disk yet."""
    home = Home(tmp_path / "home")
    opened(home)
    for name in ("layers", "captures"):
        (home.disks / name).mkdir()
        opened(home)


def test_the_database_of_another_region_is_refused(home: Home, tmp_path: Path) -> None:
    shutil.copy(region(tmp_path / "other").database, home.database)
    assert_refused(home, RegionDiffers)


def test_the_disks_of_another_region_are_refused(home: Home, tmp_path: Path) -> None:
    shutil.rmtree(home.disks)
    shutil.copytree(region(tmp_path / "other").disks, home.disks, symlinks=True)
    assert_refused(home, RegionDiffers)


def test_a_database_of_before_the_id_is_refused_where_the_files_have_one(home: Home) -> None:
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("DELETE FROM region")
        connection.commit()
    assert_refused(home, RegionDiffers)


def test_disks_that_are_not_mounted_are_refused(home: Home) -> None:
    shutil.rmtree(home.disks)
    home.disks.mkdir()
    assert_refused(home, DisksMissing)
    home.disks.rmdir()
    assert_refused(home, DisksMissing)


def test_a_home_of_an_earlier_souche_gets_an_id_at_its_first_start(home: Home) -> None:
    home.region_id.unlink()
    home.disks_region_id.unlink()
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("DELETE FROM region")
        connection.commit()
    opened(home)
    assert len(ids(home)) == 1


@pytest.mark.parametrize("written", [0, 1])
def test_a_first_start_that_was_killed_is_repeated(tmp_path: Path, written: int) -> None:
    """After the database, or after the database and the folder of the disks."""
    home = region(tmp_path / "home")
    before = ids(home)
    for file in (home.disks_region_id, home.region_id)[written:]:
        file.unlink()
    opened(home)
    assert ids(home) == before


def test_a_first_start_that_was_killed_before_the_schema_is_repeated(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    home.make_databases()
    opened(home)
    assert len(ids(home)) == 1


def test_a_home_that_moves_stays_itself(home: Home, tmp_path: Path) -> None:
    before = ids(home)
    moved = Home(tmp_path / "elsewhere")
    home.path.rename(moved.path)
    opened(moved)
    assert ids(moved) == before


def test_the_ids_are_for_the_owner_alone_to_read(home: Home) -> None:
    assert {each.stat().st_mode & 0o777 for each in (home.region_id, home.disks_region_id)} == {0o600}


def test_a_database_of_a_newer_souche_is_left_to_it(home: Home) -> None:
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert_refused(home, DatabaseNewer)


@pytest.mark.parametrize("name", ["region.sqlite", "journal.sqlite"])
@pytest.mark.parametrize("offset", [0, 4096 * 2])
def test_a_damaged_database_is_found_before_it_is_served(home: Home, name: str, offset: int) -> None:
    database = home.path / name
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript("CREATE TABLE much (text); CREATE INDEX of_much ON much (text)")
        connection.executemany("INSERT INTO much VALUES (?)", [(f"{number:01000}",) for number in range(40)])
        connection.commit()
    with database.open("r+b") as file:
        file.seek(offset)
        file.write(os.urandom(4096 * 4))
    with pytest.raises(DatabaseDamaged, match=name):
        opened(home)


def test_what_is_looked_at_is_not_changed(home: Home) -> None:
    before = files(home)
    identity.check(home)
    assert files(home) == before
