"""`souche image clean` (docs/trust.md)."""

import json
from pathlib import Path
from typing import Any

import nbd
import pytest

from souche.main import drivers
from souche.main.administration import administer
from tests.cli.conftest import Souche
from tests.support.cleaners import StampingCleaner
from tests.trust import corpus, windows
from tests.trust.bad_system import BAD, KEPT
from tests.trust.corpus import KEY, KEY_BLOB, SECRET, Files
from tests.trust.test_linux import looked

HIGH = ("authorized-key", "usable-password", "empty-password", "host-key", "private-key", "cloud-credentials")
ACCEPTED = [word for code in HIGH for word in ("--accept", code)]
LONGER_BYTES = 24 << 20
"""than the disks here"""
ANYTHING_ELSE = {"end-of-life", "packages", "dhcp-lease"}
"""A release that has become old since; a file of /etc, where a link leads."""


@pytest.fixture
def alice(souche: Souche) -> str:
    return str(souche("account", "create", "alice")[0]["AccountId"])


def published(souche: Souche, disk: Path) -> str:
    (made,) = souche("image", "publish", disk, "--name", "Bad", "--format", "raw", *ACCEPTED)
    return str(made["ImageId"])


def bad_disk(folder: Path) -> Path:
    """With a swap space, a history that nobody may change, one that is another file as well, and the data of a deleted
    file in a block beside used ones."""
    root = corpus.ext(folder / "root.img", BAD)
    (folder / "deleted").write_text(SECRET)
    for command in (
        f"write {folder / 'deleted'} srv/deleted",
        "rm srv/deleted",
        "set_inode_field root/.bash_history flags 0x80010",
        "ln srv/kept root/.lesshst",
        "set_inode_field srv/kept links_count 2",
    ):
        corpus.made_by("debugfs", "-w", "-R", command, str(root))
    swap = folder / "swap.img"
    swap.write_bytes(bytes(65536) + SECRET.encode().ljust((4 << 20) - 65536, b"\0"))
    corpus.made_by("mkswap", "-U", "22222222-2222-3333-4444-555555555555", str(swap))
    return corpus.disk(folder / "disk.raw", root, swap)


def disk_of(souche: Souche, image_id: str, path: Path) -> Path:
    """The root disk of an image, as a file."""
    with administer(souche.home) as administered, administered.region.store.read() as connection:
        row = connection.exec_driver_sql(
            "SELECT snapshot_id FROM image_mappings WHERE image_id = ?", (image_id,)
        ).one()
        with administered.volumes.read_snapshot(row.snapshot_id) as uri:
            client = nbd.NBD()
            client.connect_uri(uri)
            path.write_bytes(client.pread(min(client.get_size(), LONGER_BYTES), 0))
            client.shutdown()
    return path


def content(disk: Path, folder: Path, name: str) -> str:
    root = folder / "root"
    if not root.exists():
        root.write_bytes(disk.read_bytes()[corpus.PARTITION :])
    return corpus.made_by("debugfs", "-R", f"cat {name}", str(root)).decode()


@pytest.mark.guest
def test_an_image_is_cleaned_without_a_server_and_the_original_stays(
    souche: Souche, alice: str, tmp_path: Path
) -> None:
    """By libguestfs, as every region does it."""
    source = published(souche, bad_disk(tmp_path))
    before = disk_of(souche, source, tmp_path / "before").read_bytes()
    (told,) = souche("image", "clean", source, "--name", "clean", "--account", "alice")
    _check_told(told, source)
    disk = disk_of(souche, told["ImageId"], tmp_path / "after")
    after = disk.read_bytes()
    assert (after.count(SECRET.encode()), after.count(KEY_BLOB.encode())) == (0, 0)
    assert {name: content(disk, tmp_path, name) for name in KEPT} == KEPT
    assert {each.code for each in looked(disk).findings} <= ANYTHING_ELSE
    assert disk_of(souche, source, tmp_path / "before").read_bytes() == before
    assert b"22222222" not in after  # as text; the swap space has kept its id
    assert bytes.fromhex("22222222222233334444555555555555") in after
    (checked,) = souche("image", "check", told["ImageId"])
    assert checked["Cleaning"]["SourceImageId"] == source
    assert list((souche.home / "disks" / "volumes").iterdir()) == []


def _check_told(told: dict[str, Any], source: str) -> None:
    assert (told["ImageName"], told["State"]) == ("clean", "available")
    assert (told["SourceImageId"], told["Engine"]) == (source, "libguestfs")
    done = {(each["Code"], each["Path"]) for each in told["Done"]}
    assert done >= {
        ("authorized-key", "/home/outscale/.ssh/authorized_keys"),
        ("usable-password", "/etc/shadow"),
        ("shell-history", "/root/.bash_history"),
        ("shell-history", "/root/.lesshst"),
        ("logs", "/var/log"),
        ("swap", "/dev/sda2"),
    }
    assert "failed" not in repr(told["Done"])
    assert SECRET not in repr(told)
    assert told["Report"]["State"] == "completed"
    assert {each["Code"] for each in told["Report"]["Findings"]} <= ANYTHING_ELSE


def test_what_is_not_clean_afterwards_is_the_status(
    souche: Souche, alice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "ApplianceCleaner", lambda _alone: StampingCleaner())
    source = published(souche, corpus.linux(tmp_path, Files({"root/.ssh/authorized_keys": KEY})))
    done = souche.invoke("image", "clean", source, "--name", "clean")
    assert done.exit_code == 1
    assert "still has findings of severity high (authorized-key)" in done.stderr
    assert "Log files that were emptied or removed: 1." in done.stdout
    assert "high    authorized-key" in done.stdout
    told = souche.invoke("image", "clean", source, "--name", "again", "--json")
    assert (told.exit_code, json.loads(told.stdout)["Report"]["State"]) == (1, "completed")
    assert "waiting for its turn" in done.stderr or "cleaning" in done.stderr


def test_what_is_no_linux_is_refused(souche: Souche, alice: str, tmp_path: Path) -> None:
    disk = windows.disk(tmp_path, {}, {}, {})
    refused = souche.refusal("image", "publish", disk, "--name", "Windows", "--format", "raw")
    assert "windows-not-generalised" in refused
    data = corpus.disk(tmp_path / "data.raw", corpus.ext(tmp_path / "data.img", Files(base={})))
    source = published(souche, data)
    assert "no readable Linux system" in souche.refusal("image", "clean", source, "--name", "clean")
    assert "doesn't exist" in souche.refusal("image", "clean", "ami-12345678", "--name", "clean")
    assert "no account 'bob'" in souche.refusal("image", "clean", source, "--name", "c", "--account", "bob")
