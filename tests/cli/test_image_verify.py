"""An image is booted before it becomes public, and by `souche image verify` (docs/official-images.md)."""

import json
from pathlib import Path

import pytest

from souche.home import Home
from souche.trust.boot import QemuBooter
from tests.cli.conftest import Souche
from tests.support.boot_disks import disk
from tests.test_main import serving

KEYS = ["ImageId", "Verified", "Date", "BootMode", "Reached", "Seconds", "Reason"]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    (tmp_path / "good.raw").write_bytes(disk("souche login: "))
    return tmp_path / "good.raw"


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    (tmp_path / "bad.raw").write_bytes(disk("Kernel panic - not syncing: no root in /dev/sda1", ends=True))
    return tmp_path / "bad.raw"


def test_what_boots_becomes_public_with_a_badge(souche: Souche, good: Path) -> None:
    (made,) = souche("image", "publish", good, "--name", "Good", "--verify")
    (listed,) = souche("image", "list")
    assert (listed["State"], listed["ImageId"]) == ("available", made["ImageId"])
    assert listed["VerifiedOn"]
    (shown,) = souche("image", "verify", made["ImageId"], "--last")
    assert list(shown) == KEYS
    assert (shown["Verified"], shown["Reached"], shown["Date"]) == (True, "login", listed["VerifiedOn"])


def test_what_never_boots_is_refused_with_the_end_of_its_boot_log(souche: Souche, bad: Path) -> None:
    refused = souche.refusal("image", "publish", bad, "--name", "Bad", "--verify")
    assert "did not boot by legacy: its kernel panicked." in refused
    assert "no root in /dev/sda1" in refused
    (listed,) = souche("image", "list")
    assert (listed["State"], listed["VerifiedOn"]) == ("failed", "")
    assert list((souche.home / "staging").iterdir()) == []


def test_the_server_verifies_any_image_and_log_and_screenshot_are_kept(
    souche: Souche, good: Path, bad: Path, tmp_path: Path
) -> None:
    (made,) = souche("image", "publish", good, "--name", "Good")
    (not_yet,) = json.loads(
        "[" + souche.invoke("image", "verify", made["ImageId"], "--last", "--json").stdout + "]"
    )
    assert (not_yet["Verified"], not_yet["Reason"]) == (False, "it has not been booted yet.")
    assert "start it (`souche serve`)" in souche.refusal("image", "verify", made["ImageId"])
    with serving(souche.home, "--oos-listen", ""):
        (shown,) = souche("image", "verify", made["ImageId"])
        assert shown["Verified"]
        (other,) = souche("image", "publish", bad, "--name", "Bad")
        failed = souche.invoke("image", "verify", other["ImageId"])
        assert failed.exit_code == 1
        assert "its kernel panicked" in failed.stdout
        assert "no root in /dev/sda1" in failed.stdout
        assert "doesn't exist" in souche.refusal("image", "verify", "ami-00000000")
    files = ("--log", tmp_path / "log", "--screenshot", tmp_path / "screen.png")
    souche("image", "verify", made["ImageId"], "--last", *files)
    assert b"souche login: " in (tmp_path / "log").read_bytes()
    assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")
    assert "doesn't exist" in souche.refusal("image", "verify", "ami-00000000", "--last")


def test_where_guests_are_simulated_it_is_said_that_nothing_is_booted(souche: Souche, bad: Path) -> None:
    souche("account", "create", "alice")
    Home(souche.home).record_facts({"Compute": "simulated"})
    done = souche.invoke("image", "publish", bad, "--name", "Bad", "--verify")
    assert done.exit_code == 0
    assert "not booted before it is public: the region's guests are simulated" in done.stderr


def test_where_nothing_boots_it_takes_a_word_to_publish(
    souche: Souche, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QemuBooter, "missing", lambda *_: "qemu-system-x86_64")
    refused = souche.refusal("image", "publish", good, "--name", "Good", "--verify")
    assert "lacks qemu-system-x86_64" in refused
    assert "--no-verify publishes without" in refused
    souche("image", "publish", good, "--name", "Good")
