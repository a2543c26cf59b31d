"""A region whose records are in PostgreSQL: served, killed, served again; and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from souche import config
from souche.config import Settings
from souche.db import access_keys, accounts
from souche.db.engines.postgresql_processes import RecordsInUse
from souche.errors import SoucheError
from souche.home import Home
from souche.main import records
from souche.main.databases import open_records, open_store
from souche.main.identity import DatabaseEmpty, DatabaseTaken, DisksMissing, VaultKeyMissing
from souche.main.records import PlaceDamaged, RecordsElsewhere
from souche.model.accounts import AccessKey, Account
from souche.storage.qcow2 import Qcow2Store
from souche.vault import Vault
from tests.support.polling import eventually
from tests.support.region import START
from tests.test_main import GRACE_SECONDS, serving, told

MIB = 1 << 20
SECRET = "Pa55-w0rd"


def settings(home: Path, url: str = "") -> Settings:
    return config.read_settings({"home": home, "database": url}, {})


def opened(home: Home, url: str = "") -> None:
    """Start the region, as far as its records."""
    home.make()
    with open_records(home, records.chosen(home, settings(home.path, url)), pytest.fail):
        Vault.open(home.vault_key)


@pytest.fixture
def home(tmp_path: Path, url: str) -> Home:
    """Of a region with a disk."""
    home = Home(tmp_path / "home")
    opened(home, url)
    Qcow2Store(home.path).create_volume("vol-00000001", MIB)
    return home


def assert_refused(home: Home, url: str, why: type[SoucheError]) -> None:
    before = {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    for _ in range(2):
        with pytest.raises(why):
            opened(home, url)
        assert {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()} == before


def test_a_region_is_served_killed_and_served_again(tmp_path: Path, url: str) -> None:
    """With a password, which the tests' server does not ask for."""
    home, file = tmp_path / "home", tmp_path / "database"
    file.touch(0o600)
    file.write_text(url.replace("postgres@", f"postgres:{SECRET}@") + "\n")
    options = ("--database-file", str(file))
    with serving(home, *options) as served:
        account = told("account", "create", "alice", "--home", home)
        volume = served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)["Volume"]["VolumeId"]
        eventually(lambda: served.volume_state(account, volume) == "available", GRACE_SECONDS)
        snapshot = served.call(account, "CreateSnapshot", VolumeId=volume)["Snapshot"]["SnapshotId"]
        mapping = {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": snapshot}}
        image = served.call(
            account,
            "CreateImage",
            ImageName="system",
            RootDeviceName="/dev/sda1",
            BlockDeviceMappings=[mapping],
        )["Image"]["ImageId"]
        vm = served.call(account, "CreateVms", ImageId=image)["Vms"][0]["VmId"]
        served.process.kill()
        served.process.wait(GRACE_SECONDS)
        said = served.errors.read_text()
    with serving(home, *options) as served:

        def running() -> bool:
            (found,) = served.call(account, "ReadVms", Filters={"VmIds": [vm]})["Vms"]
            return bool(found["State"] == "running")

        eventually(running, GRACE_SECONDS)
        found = served.call(account, "ReadImages", Filters={"ImageNames": ["sys*"]})["Images"]
        assert [each["ImageId"] for each in found] == [image]
        assert served.facts["Database"] == str(file)
        argv = Path(f"/proc/{served.process.pid}/cmdline").read_text()
        texts = [said, argv, *(path.read_text() for path in home.glob("*.json")), served.errors.read_text()]
    assert not [text for text in texts if SECRET in text]
    assert not (home / "region.sqlite").exists()


def test_a_region_has_one_id_in_its_database_its_disks_and_its_home(home: Home, url: str) -> None:
    opened(home, url)
    with open_store(home) as store, store.read() as connection:
        in_database = connection.exec_driver_sql("SELECT region_id FROM region").scalar_one()
    files = (home.region_id, home.disks_region_id)
    assert {in_database} == {file.read_text().strip() for file in files}


def test_a_first_start_that_was_killed_anywhere_goes_on(home: Home, url: str) -> None:
    """The id is in database.json, then in the database, then beside the disks, then in the home."""
    (home.disks / "volumes" / "vol-00000001").unlink()
    for missing in ([home.region_id], [home.region_id, home.disks_region_id]):
        for file in missing:
            file.unlink()
        opened(home, url)
        assert home.region_id.read_text() == home.disks_region_id.read_text()


def test_a_new_home_takes_no_database_of_another_region(tmp_path: Path, home: Home, url: str) -> None:
    assert_refused(Home(tmp_path / "new"), url, DatabaseTaken)


def test_a_home_takes_no_other_regions_database(
    tmp_path: Path, home: Home, urls: Callable[[str], str]
) -> None:
    other = urls("other")
    opened(Home(tmp_path / "other home"), other)
    assert_refused(home, other, DatabaseTaken)


def test_disks_are_not_served_with_a_database_without_records(home: Home, urls: Callable[[str], str]) -> None:
    assert_refused(home, urls("empty"), DatabaseEmpty)


def test_records_are_not_served_without_their_disks_or_their_key(
    home: Home, url: str, tmp_path: Path
) -> None:
    with open_store(home) as store, store.begin() as connection:
        accounts.insert(connection, Account("1", "alice", None, START))
        access_keys.insert(connection, AccessKey("K", "1", b"", True, START, START))  # noqa: FBT003
    kept = home.vault_key.read_bytes()
    home.vault_key.unlink()
    assert_refused(home, url, VaultKeyMissing)
    home.vault_key.write_bytes(kept)
    home.disks.rename(tmp_path / "unmounted")
    home.disks.mkdir()
    assert_refused(home, url, DisksMissing)


def test_the_flag_is_not_forgotten(home: Home) -> None:
    assert_refused(home, "", RecordsElsewhere)


def test_a_home_with_records_takes_no_database(tmp_path: Path, url: str) -> None:
    home = Home(tmp_path / "on SQLite")
    opened(home)
    assert_refused(home, url, RecordsElsewhere)


def test_a_copy_of_a_home_is_not_served_beside_it(home: Home, url: str, tmp_path: Path) -> None:
    copy = Home(tmp_path / "copy")
    shutil.copytree(home.path, copy.path, symlinks=True)
    with open_store(home) as store, store.database.served(pytest.fail), pytest.raises(RecordsInUse):
        opened(copy, url)
    opened(copy, url)


def test_a_damaged_name_of_the_database_is_told(home: Home, url: str) -> None:
    home.database_place.write_text("{")
    with pytest.raises(PlaceDamaged), open_store(home):
        pass
    opened(home, url)
    assert json.loads(home.database_place.read_text())["url"] == url
