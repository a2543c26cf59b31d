"""`souche image list`, `withdraw`, `deprecate` and `undo` (docs/official-images.md)."""

from pathlib import Path

import pytest

from tests.cli.conftest import Souche
from tests.support.exported import qcow2

KEYS = [
    "ImageId",
    "ImageName",
    "State",
    "Family",
    "Account",
    "CreationDate",
    "DeprecatedOn",
    "WithdrawnOn",
    "LaunchableUntil",
    "DeletedOn",
    "VerifiedOn",
    "SuccessorId",
    "Reason",
]


@pytest.fixture
def image_id(souche: Souche, tmp_path: Path) -> str:
    (tmp_path / "disk.qcow2").write_bytes(qcow2(b"disk"))
    (made,) = souche("image", "publish", tmp_path / "disk.qcow2", "--name", "Test")
    return str(made["ImageId"])


def test_the_life_of_an_image_is_listed(souche: Souche, image_id: str) -> None:
    (shown,) = souche("image", "list")
    assert list(shown) == KEYS
    assert (shown["ImageId"], shown["State"], shown["Family"]) == (image_id, "available", "Test")
    assert souche("image", "list", "--family", "Other") == []
    (made,) = souche("image", "deprecate", image_id, "--on", "2999-12-31", "--reason", "Old.")
    assert (made["State"], made["DeprecatedOn"]) == ("deprecated", "2999-12-31T00:00:00.000Z")
    assert souche("image", "list") == [made]
    assert "deprecated  DeprecatedOn=2999-12-31" in souche.run("image", "list")
    (made,) = souche("image", "withdraw", image_id, "--now")
    assert (made["State"], made["LaunchableUntil"]) == ("withdrawn", made["WithdrawnOn"])
    assert made["DeletedOn"] > made["WithdrawnOn"]
    (made,) = souche("image", "undo", image_id)
    assert (made["State"], made["Reason"]) == ("available", "")


def test_an_update_is_the_successor(souche: Souche, image_id: str, tmp_path: Path) -> None:
    (newer,) = souche("image", "publish", tmp_path / "disk.qcow2", "--name", "Test")
    former, _ = souche("image", "list", "--family", "Test")
    assert (former["State"], former["SuccessorId"]) == ("withdrawn", newer["ImageId"])


def test_errors_are_told_in_a_line(souche: Souche, image_id: str) -> None:
    for arguments, said in (
        (("deprecate", image_id, "--on", "tomorrow"), "'tomorrow' is not a date like 2026-12-31"),
        (("deprecate", image_id, "--on", "2020-01-01"), "the date is past"),
        (("undo", image_id), "nothing to undo"),
        (("withdraw", "ami-00000000"), "doesn't exist"),
        (("withdraw", image_id, "--successor", image_id), "cannot be its own successor"),
    ):
        refused = souche.refusal("image", *arguments)
        assert said in refused
        assert refused.count("\n") == 1
