"""Imports by `souche serve` as a process: killed repeatedly, it continues."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import test_main
from tests.support.bucket import bucket
from tests.support.exported import MIB, disk, put_disk, put_manifest
from tests.support.polling import eventually
from tests.test_main import Served, told

KILLS = 4
DOWNLOAD_SECONDS = 0.6
NOISE = random.Random(4).randbytes(4 * MIB)


@contextmanager
def serving(home: Path) -> Iterator[Served]:
    allowed = f"127.0.0.1:{bucket().port}"
    with test_main.serving(home, "--oos-listen", "", "--allow-import", allowed) as region:
        yield region


def read_image(region: Served, account: dict[str, Any], image_id: str) -> dict[str, Any]:
    found: dict[str, Any] = region.call(account, "ReadImages", Filters={"ImageIds": [image_id]})["Images"][0]
    return found


@pytest.fixture
def slow() -> str:
    """A manifest whose disk takes its time."""
    pause = DOWNLOAD_SECONDS / (4 * MIB // (64 * 1024))
    return put_manifest(disk(put_disk(NOISE, "disk.raw", pause_seconds=pause)))


def test_killed_at_random_moments_an_import_ends_well(tmp_path: Path, slow: str) -> None:
    home = tmp_path / "home"
    account = told("account", "create", "alice", "--home", home)
    moments = [random.Random(kill).uniform(0, 1.5 * DOWNLOAD_SECONDS) for kill in range(KILLS)]
    image_ids = []
    for moment in moments:
        with serving(home) as region:
            image_ids.append(region.call(account, "CreateImage", FileLocation=slow)["Image"]["ImageId"])
            threading.Event().wait(moment)
            region.process.kill()
            region.process.wait()
    with serving(home) as region:
        states = [_settled(region, account, image_id)["State"] for image_id in image_ids]
        assert states == ["available"] * KILLS
        snapshots = region.call(account, "ReadSnapshots")["Snapshots"]
        assert [(each["State"], each["Progress"]) for each in snapshots] == [("completed", 100)] * KILLS
        eventually(lambda: list((home / "staging").iterdir()) == [])
        assert len(list((home / "disks" / "snapshots").iterdir())) == KILLS


def _settled(region: Served, account: dict[str, Any], image_id: str) -> dict[str, Any]:
    """The image once it is no longer pending."""
    eventually(lambda: read_image(region, account, image_id)["State"] != "pending")
    return read_image(region, account, image_id)


def test_progress_is_shown_and_a_refusal_says_why(tmp_path: Path) -> None:
    home = tmp_path / "home"
    account = told("account", "create", "alice", "--home", home)
    hostile = put_manifest(disk(put_disk(NOISE + b"\0" * 256, "disk.raw", pause_seconds=0.03)))
    with serving(home) as region:
        image_id = region.call(account, "CreateImage", FileLocation=hostile)["Image"]["ImageId"]
        eventually(lambda: 0 < _progress(region, account) < 100)
        image = _settled(region, account, image_id)
        assert (image["State"], image["BlockDeviceMappings"]) == ("failed", [])
        assert "The disk /dev/sda1 cannot be imported" in image["StateComment"]["StateMessage"]
        assert region.call(account, "ReadSnapshots")["Snapshots"] == []


def _progress(region: Served, account: dict[str, Any]) -> int:
    (snapshot,) = region.call(account, "ReadSnapshots")["Snapshots"]
    progress: int = snapshot["Progress"]
    return progress
