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


def test_without_a_server_no_disk_of_a_running_real_guest_is_captured(home: Path, tmp_path: Path) -> None:
    """The guest writes to it, and only the server switches its disks."""
    with serving(home) as served:
        account = told("account", "create", "alice", "--home", home)
        vm_ids = [vm(served, account, home) for _ in range(2)]
        served.call(account, "StopVms", VmIds=vm_ids[:1], ForceStop=True)
        eventually(lambda: states(served, account)[vm_ids[0]] == "stopped")
    facts = json.loads((home / "serving.json").read_text())
    (home / "serving.json").write_text(json.dumps({**facts, "Compute": "libvirt"}))
    captured = sorted((home / "disks" / "layers").iterdir())
    refused = souche("backup", tmp_path / "backups", "--home", home)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith(
        "souche: No server runs the region at the moment, and only"
    )
    assert sorted((home / "disks" / "layers").iterdir()) == captured
    with serving(home) as served:
        served.call(account, "StopVms", VmIds=vm_ids, ForceStop=True)
        eventually(lambda: set(states(served, account).values()) == {"stopped"})
    (home / "serving.json").write_text(json.dumps({**facts, "Compute": "libvirt"}))
    made = told("backup", tmp_path / "backups", "--home", home)
    assert (made["Volumes"], made["Problems"]) == (2, {})


def vm(served: Served, account: dict[str, Any], home: Path) -> str:
    """A running VM of an image of its own."""
    disk = home.with_name("disk.raw")
    disk.write_bytes(bytes(510) + b"\x55\xaa" + bytes(1024 * 1024 - 512))
    words = (disk, "--name", "Small", "--no-verify", "--grace-days", "9")
    image = told("image", "publish", *words, "--home", home)
    made = served.call(account, "CreateVms", ImageId=image["ImageId"])
    vm_id: str = made["Vms"][0]["VmId"]
    eventually(lambda: states(served, account)[vm_id] == "running")
    return vm_id


def states(served: Served, account: dict[str, Any]) -> dict[str, str]:
    return {each["VmId"]: each["State"] for each in served.call(account, "ReadVms")["Vms"]}


def test_a_damaged_backup_is_status_1(home: Path, tmp_path: Path) -> None:
    told("account", "create", "alice", "--home", home)
    (home / "serving.json").write_text("{}")
    told("backup", tmp_path / "backups", "--home", home)
    next((tmp_path / "backups" / "objects").rglob("*/*")).write_bytes(b"damaged")
    done = souche("backup", "verify", tmp_path / "backups")
    assert done.returncode == 1
    assert "does not contain its original bytes" in done.stdout
    assert "What to do: " in done.stdout


def test_a_manifest_that_cannot_be_read_hides_no_other_backup(home: Path, tmp_path: Path) -> None:
    told("account", "create", "alice", "--home", home)
    (home / "serving.json").write_text("{}")
    place = tmp_path / "backups"
    ids = [told("backup", place, "--home", home)["BackupId"] for _ in range(3)]
    (place / "backups" / f"{ids[1]}.json").write_text("{")
    done = souche("backup", "list", place, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [line["BackupId"] for line in lines]) == (1, ids)
    assert ["not a backup" in line.get("Problem", "") for line in lines] == [False, True, False]
    restored = souche("restore", place, "--home", tmp_path / "new", "--backup", ids[1])
    assert ids[1] in restored.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["backup", "TO", "--home", "missing"], "No region has been served"),
        (["backup", "verify", "TO"], "There is no backup"),
        (["backup", "list", "TO"], "There is no backup"),
        (["backup", "list", "s3://bucket/prefix"], "--oos-endpoint"),
        (
            [
                "backup",
                "list",
                "s3://bucket/prefix",
                "--oos-endpoint",
                "notaurl",
                "--oos-key-file",
                "/dev/null",
            ],
            "--oos-endpoint is not valid: a URL",
        ),
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


@pytest.mark.parametrize(
    "endpoint", ["", "http://127.0.0.1:8809", "http://localhost:8809", "https://oos.example/"]
)
def test_a_backup_does_not_go_into_its_own_region(home: Path, tmp_path: Path, endpoint: str) -> None:
    home.mkdir()
    facts = {"Oos": "https://oos.example", "OosListen": "127.0.0.1:8809"}
    (home / "serving.json").write_text(json.dumps(facts))
    places = (
        [["s3://backups/p", "--oos-endpoint", endpoint]] if endpoint else [[home / "backups"], [tmp_path]]
    )
    for place in places:
        done = souche("backup", "--home", home, *place)
        assert done.returncode == 1
        assert done.stderr.startswith("souche: The backup failed: ")
        assert len(done.stderr.splitlines()) == 1
    assert not (home / "backups").exists()
    assert not (tmp_path / ".lock").exists()


def test_a_place_that_cannot_be_read_or_made_is_said_in_one_line(home: Path, tmp_path: Path) -> None:
    told("account", "create", "alice", "--home", home)
    (home / "serving.json").write_text("{}")
    (tmp_path / "file").touch()
    for place, reason in (
        (tmp_path / "file", "is a file, not a folder"),
        (Path("/proc/nothing"), "/proc/nothing"),
    ):
        done = souche("backup", "--home", home, place)
        assert done.returncode == 1
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1
