"""`souche import`."""

import pytest

from souche.home import Home
from tests import test_main
from tests.cli.conftest import Souche
from tests.support.bucket import bucket
from tests.support.exported import SYSTEM, disk, packed, put_disk, put_manifest, qcow2


@pytest.fixture
def url(souche: Souche) -> str:
    """A manifest that a server may fetch which ran here once, and an account."""
    souche("account", "create", "alice")
    Home(souche.home).record_facts({"AllowImport": f"127.0.0.1:{bucket().port}"})
    return put_manifest(disk(put_disk(packed(qcow2(SYSTEM)))))


def test_an_image_is_imported_with_or_without_a_server(souche: Souche, url: str) -> None:
    (told,) = souche("import", url, "--account", "alice", "--name", "mine")
    assert told["ImageName"] == "mine"
    (told,) = souche("import", url)
    assert told["ImageName"] == "exported"
    assert list((souche.home / "staging").iterdir()) == []


def test_what_cannot_be_imported_is_said(souche: Souche, url: str) -> None:
    souche("account", "create", "carol")
    assert "--account" in souche.refusal("import", url)
    assert "no account 'bob'" in souche.refusal("import", url, "--account", "bob")
    assert "not an address to fetch from" in souche.refusal(
        "import", "http://127.0.0.1:1024/", "--account", "alice"
    )


def test_a_disk_that_is_refused_is_said(souche: Souche, url: str) -> None:
    """By a process of its own: what a workflow logs for the first time, it logs to the same place ever after."""
    hostile = put_manifest(disk(put_disk(SYSTEM[:-1])))
    done = test_main.souche("import", hostile, "--home", souche.home)
    assert done.returncode == 1
    assert "The disk /dev/sda1 cannot be imported: The disk has 4194303 bytes" in done.stderr
