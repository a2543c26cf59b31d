"""A region on a small file system of its own (tmpfs), filled to the last block: it reports that, starts, and
continues."""

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from souche.db.engines.sqlite import checkpoint
from souche.home import Home
from souche.main.databases import checkpoint_databases
from tests.support.bucket import bucket
from tests.support.polling import eventually
from tests.test_main import GRACE_SECONDS, Served, serving, told
from tests.wire.server import Answer, Server

MIB = 1024 * 1024
SIZE_MIB = 256
RESERVE_GIB = "0.0625"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    medium = tmp_path / "medium"
    medium.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(medium)]
    subprocess.run(mount, check=True, capture_output=True)
    yield medium / "home"
    subprocess.run(["umount", "--lazy", str(medium)], check=True, capture_output=True)


def served(home: Path, *options: str) -> Any:
    """The region, which may import from this machine."""
    allowed = f"127.0.0.1:{bucket().port}"
    return serving(home, "--reserve-gib", RESERVE_GIB, "--allow-import", allowed, *options)


def fill(home: Path, *, left_bytes: int = 0) -> Path:
    """Take the free space, as a guest may. In one step: space that the region releases meanwhile stays free."""
    filler = home.parent / "filler"
    with filler.open("ab") as file:
        while (wanted := free_bytes(home) - left_bytes) > 0:
            try:
                os.posix_fallocate(file.fileno(), file.tell(), wanted)
            except OSError:  # somebody else has taken some of it
                continue
            break
    return filler


def free_bytes(home: Path) -> int:
    found = os.statvfs(home.parent)
    return found.f_bavail * found.f_frsize


def answer(region: Served, account: dict[str, Any], action: str, **request: object) -> Answer:
    server = Server(urlsplit(region.facts["Api"]).port or 0)
    key = {"key_id": account["AccessKeyId"], "secret": account["SecretKey"]}
    return server.call(action, json.dumps(request).encode(), **key)


def snapshot_state(region: Served, account: dict[str, Any], snapshot_id: str) -> str:
    found = region.call(account, "ReadSnapshots", Filters={"SnapshotIds": [snapshot_id]})["Snapshots"]
    return str(found[0]["State"])


def test_an_import_larger_than_the_medium_leaves_it_as_it_was(home: Path) -> None:
    """Its length is not announced, and it stops at the reserve; other writes succeed during and after it."""
    url = bucket().put("disk.raw", os.urandom(SIZE_MIB * MIB), announced=None)
    with served(home) as region:
        account = told("account", "create", "alice", "--home", home)
        request = {"FileLocation": url, "SnapshotSize": SIZE_MIB * MIB}
        snapshot_id = region.call(account, "CreateSnapshot", **request)["Snapshot"]["SnapshotId"]
        least = free_bytes(home)
        while snapshot_state(region, account, snapshot_id) not in ("error", "completed"):
            least = min(least, free_bytes(home))
            region.call(account, "CreateTags", ResourceIds=[snapshot_id], Tags=[{"Key": "k", "Value": "v"}])
        assert snapshot_state(region, account, snapshot_id) == "error"
        assert least > 32 * MIB
        assert list((home / "staging").iterdir()) == []
        assert "the rest is reserved" in region.errors.read_text()


def test_a_full_region_says_so_starts_again_and_goes_on(home: Path) -> None:
    """Filled to the last block, killed in the midst of an import, started, asked, and emptied."""
    url = bucket().put("disk.raw", os.urandom(64 * MIB), pause_seconds=0.02)
    with served(home) as region:
        account = told("account", "create", "alice", "--home", home)
        volume = {"SubregionName": "souche-1a", "Size": 1}
        volume_id = region.call(account, "CreateVolume", **volume)["Volume"]["VolumeId"]
        eventually(lambda: region.volume_state(account, volume_id) == "available", GRACE_SECONDS)
        eventually((home / "ballast").exists, GRACE_SECONDS)
        request = {"FileLocation": url, "SnapshotSize": 64 * MIB}
        snapshot_id = region.call(account, "CreateSnapshot", **request)["Snapshot"]["SnapshotId"]
        staged = home / "staging" / snapshot_id / snapshot_id
        eventually(lambda: staged.exists() and staged.stat().st_blocks > 0, GRACE_SECONDS)
        region.process.send_signal(signal.SIGKILL)
        region.process.wait(GRACE_SECONDS)
    assert staged.exists()
    filler = fill(home)
    with served(home) as region:
        assert len(region.call(account, "ReadVolumes")["Volumes"]) == 1
        eventually(lambda: snapshot_state(region, account, snapshot_id) == "error", GRACE_SECONDS)
        assert not staged.exists()
        fill(home)
        refused = answer(region, account, "CreateVolume", **volume)
        assert (refused.status, refused.headers.get("retry-after")) == (503, "60"), refused.json
        assert "The region is out of space" in refused.json["Errors"][0]["Details"]
        assert str(home) not in json.dumps(refused.json)
        assert region.call(account, "ReadSnapshots")["Snapshots"]
        region.process.send_signal(signal.SIGKILL)
        region.process.wait(GRACE_SECONDS)
    with served(home) as region:
        region.call(account, "ReadVolumes")
        filler.unlink()
        another = region.call(account, "CreateVolume", **volume)["Volume"]["VolumeId"]
        eventually(lambda: region.volume_state(account, another) == "available", GRACE_SECONDS)
        region.call(account, "DeleteVolume", VolumeId=volume_id)
        eventually((home / "ballast").exists, GRACE_SECONDS)


def test_a_start_that_needs_more_than_is_left_ends_in_one_line(home: Path) -> None:
    """The ballast is removed, and the journal cannot be created."""
    with served(home):
        pass
    for name in ("ballast", "journal.sqlite"):
        (home / name).unlink(missing_ok=True)
    filler = fill(home)
    refused = begun(home)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "The region is out of space" in refused.stderr.splitlines()[-1]
    filler.unlink()
    with served(home):
        pass


def begun(home: Path) -> subprocess.CompletedProcess[str]:
    """`souche serve`, whose start fails."""
    command = [str(Path(sys.executable).with_name("souche")), "serve", "--home", str(home)]
    options = [
        "--compute",
        "simulated",
        "--oos-listen",
        "",
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "",
    ]
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)


def test_resources_are_deleted_on_a_medium_that_is_full(home: Path) -> None:
    """What guests wrote has taken the reserve too: the ballast goes, and deletions go through."""
    with served(home) as region:
        account = told("account", "create", "alice", "--home", home)
        volume = {"SubregionName": "souche-1a", "Size": 1}
        volume_id = region.call(account, "CreateVolume", **volume)["Volume"]["VolumeId"]
        eventually(lambda: region.volume_state(account, volume_id) == "available", GRACE_SECONDS)
        eventually((home / "ballast").exists, GRACE_SECONDS)
        fill(home)
        eventually(lambda: not (home / "ballast").exists(), GRACE_SECONDS)
        assert answer(region, account, "DeleteVolume", VolumeId=volume_id).status == 200
        eventually(lambda: not region.call(account, "ReadVolumes")["Volumes"], GRACE_SECONDS)


def test_a_bomb_is_refused_before_it_goes_off(home: Path) -> None:
    """300 MiB of one pattern, in 300 KiB, on a medium of 256 MiB."""
    url = bucket().put("disk.raw.gz", gzip.compress(b"A" * (300 * MIB), 6))
    with served(home) as region:
        account = told("account", "create", "alice", "--home", home)
        request = {"FileLocation": url, "SnapshotSize": 300 * MIB}
        snapshot_id = region.call(account, "CreateSnapshot", **request)["Snapshot"]["SnapshotId"]
        eventually(lambda: snapshot_state(region, account, snapshot_id) == "error", GRACE_SECONDS)
        assert list((home / "staging").iterdir()) == []


WRITE_AND_DIE = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("CREATE TABLE facts (fact BLOB)")
connection.execute("INSERT INTO facts VALUES (?)", [os.urandom(1 << 20)])
connection.commit()
os._exit(0)
"""


def test_a_write_ahead_log_that_cannot_be_brought_in_stays_and_nothing_fails(home: Path) -> None:
    """As at a start on a full medium, where not even the index of the log can be made."""
    home.mkdir()
    database = Home(home).database
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, database], check=True)
    database.with_name("region.sqlite-shm").unlink()
    filler = fill(home)
    log = database.with_name("region.sqlite-wal")
    before = log.read_bytes()
    with pytest.raises(sqlite3.OperationalError):
        checkpoint(database, 1)
    checkpoint_databases(Home(home), 1)
    assert log.read_bytes() == before
    filler.unlink()
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT length(fact) FROM facts").fetchall() == [(1 << 20,)]
