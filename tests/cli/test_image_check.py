"""`souche image check` (docs/trust.md)."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Souche
from tests.trust import corpus
from tests.trust.corpus import HASH, KEY, SECRET, Files

KEYS = ["ImageId", "State", "Engine", "Date", "Os", "Findings", "Guidelines", "Accepted"]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return corpus.linux(tmp_path)


def test_a_report_is_made_without_a_server(souche: Souche, good: Path) -> None:
    (told,) = souche("image", "publish", good, "--name", "Good", "--format", "raw")
    (report,) = souche("image", "check", told["ImageId"], "--wait")
    assert list(report) == KEYS
    assert (report["ImageId"], report["State"], report["Engine"]) == (told["ImageId"], "completed", "tsk")
    assert report["Os"] == "Debian GNU/Linux 12 (bookworm)"
    assert [each["Code"] for each in report["Findings"] if each["Severity"] != "info"] == []
    assert {"Code", "Text", "Holds"} == set(report["Guidelines"][0])
    assert "holds   no-passwords" in souche.run("image", "check", told["ImageId"])


def test_a_finding_of_severity_high_is_the_status(souche: Souche, tmp_path: Path) -> None:
    files = {"root/.ssh/authorized_keys": KEY, "etc/shadow": f"root:{HASH}:1::::::\n"}
    disk = corpus.linux(tmp_path, Files(files))
    accepted = ("--accept", "authorized-key", "--accept", "usable-password")
    (told,) = souche("image", "publish", disk, "--name", "Bad", "--format", "raw", *accepted)
    checked = souche.invoke("image", "check", told["ImageId"], "--json")
    assert checked.exit_code == 1
    report = json.loads(checked.stdout)
    high = {each["Code"] for each in report["Findings"] if each["Severity"] == "high"}
    assert high == {"authorized-key", "usable-password"}
    assert list(report["Findings"][0]) == ["Code", "Severity", "Path", "Fingerprint", "Text", "Remedy"]
    assert report["Accepted"] == ["authorized-key", "usable-password"]
    assert SECRET not in checked.stdout
    assert souche.invoke("image", "check", told["ImageId"], "--again").exit_code == 1


def test_what_a_disk_says_moves_no_cursor_and_begins_no_line(souche: Souche, tmp_path: Path) -> None:
    evil = "\x1b[2J\x9b2J\u202e"
    files = {
        "etc/os-release": f'PRETTY_NAME="Debian {evil}"\nID=debian\nVERSION_ID="12"\n',
        "etc/passwd": f"root:x:0:0:root:/root{evil}:/bin/bash\n",
        f"root{evil}/.ssh/authorized_keys": KEY,
    }
    disk = corpus.linux(tmp_path, Files(files))
    (told,) = souche(
        "image", "publish", disk, "--name", "Evil", "--format", "raw", "--accept", "authorized-key"
    )
    shown = souche.invoke("image", "check", told["ImageId"]).stdout
    assert "\\x1b[2J" in shown
    assert all(line.isprintable() for line in shown.splitlines())


def test_an_image_that_is_not_there_is_refused(souche: Souche, good: Path) -> None:
    souche("account", "create", "alice")
    assert "doesn't exist" in souche.refusal("image", "check", "ami-12345678")


def test_publication_is_refused_on_a_finding_of_severity_high(souche: Souche, tmp_path: Path) -> None:
    disk = corpus.linux(tmp_path, Files({"root/.ssh/authorized_keys": KEY}))
    refused = souche.refusal("image", "publish", disk, "--name", "Bad", "--format", "raw")
    assert "severity high (authorized-key)" in refused
    (failed,) = souche("image", "list")
    assert failed["State"] == "failed"
    (uses,) = souche("image", "uses", failed["ImageId"])
    assert uses["Shares"] == {"Public": False, "Accounts": 0}
    assert "no code 'nonsense'" in souche.refusal(
        "image", "publish", disk, "--name", "Bad", "--format", "raw", "--accept", "nonsense"
    )
    assert list((souche.home / "staging").iterdir()) == []
