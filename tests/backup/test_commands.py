"""souche backup and souche restore, of regions that are served and of regions that are not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.polling import eventually
from tests.test_main import Served, serving, souche, told

GIB = 1


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    with serving(home) as region:
        yield region


def volume(served: Served, account: dict[str, Any]) -> str:
    made = served.call(account, "CreateVolume", SubregionName="souche-1a", Size=GIB)
    volume_id: str = made["Volume"]["VolumeId"]
    eventually(lambda: served.volume_state(account, volume_id) == "available")
    return volume_id


def test_a_region_is_backed_up_while_it_is_served_and_restored_elsewhere(
    home: Path, served: Served, tmp_path: Path
) -> None:
    account = told("account", "create", "alice", "--home", home)
    volume_id = volume(served, account)
    made = told("backup", "--home", home, tmp_path / "backups")
    assert made["Problems"] == {}
    assert made["Volumes"] == 1
    assert told("backup", "verify", tmp_path / "backups")["Findings"] == []
    later = volume(served, account)
    restored = told("restore", tmp_path / "backups", "--home", tmp_path / "new")
    assert restored["BackupId"] == made["BackupId"]
    with serving(tmp_path / "new") as other:
        assert other.volume_state(account, volume_id) == "available"
        assert other.call(account, "ReadVolumes", Filters={"VolumeIds": [later]})["Volumes"] == []
        assert other.facts["GuestNetwork"] == served.facts["GuestNetwork"]


def test_a_region_is_backed_up_while_it_is_not_served(home: Path, tmp_path: Path) -> None:
    with serving(home) as served:
        account = told("account", "create", "alice", "--home", home)
        volume(served, account)
    first = told("backup", tmp_path / "backups", "--home", home)
    again = told("backup", tmp_path / "backups", "--home", home)
    assert (first["Volumes"], again["Problems"]) == (1, {})
    listed = souche("backup", "list", tmp_path / "backups", "--json")
    ids = [json.loads(line)["BackupId"] for line in listed.stdout.splitlines()]
    assert ids == [first["BackupId"], again["BackupId"]]


def test_a_damaged_backup_is_status_1(home: Path, tmp_path: Path, served: Served) -> None:
    told("backup", tmp_path / "backups", "--home", home)
    next((tmp_path / "backups" / "objects").rglob("*/*")).write_bytes(b"damaged")
    done = souche("backup", "verify", tmp_path / "backups")
    assert done.returncode == 1
    assert "does not hold the bytes that it was written with" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["backup", "TO", "--home", "missing"], "No region has been served"),
        (["backup", "verify", "TO"], "There is no backup"),
        (["backup", "list", "s3://bucket/prefix"], "--oos-endpoint"),
        (["restore", "TO", "--home", "new"], "There is no backup"),
        (["restore", "s3:///prefix", "--home", "new"], "s3://BUCKET/PREFIX"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    places = {"TO": "backups", "missing": "missing", "new": "new"}
    done = souche(*(tmp_path / places[word] if word in places else word for word in words))
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()
