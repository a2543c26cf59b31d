"""`souche alias` (docs/aliases.md)."""

from pathlib import Path

import pytest

from tests.cli.conftest import Souche
from tests.trust import corpus


@pytest.fixture
def images(souche: Souche, tmp_path: Path) -> list[str]:
    """The ids of two official images, of which the second replaced the first, and of a third of another family."""
    disk = corpus.linux(tmp_path)
    made = []
    for family in ("Debian-12", "Debian-12", "Other"):
        (told,) = souche(
            "image", "publish", disk, "--name", family, "--format", "raw", "--accept", "no-cloud-init"
        )
        made.append(told["ImageId"])
    return made


def test_the_life_of_an_alias(souche: Souche, images: list[str]) -> None:
    _, second, other = images
    (latest,) = souche("alias", "show", "debian-12@latest")
    assert (latest["ImageId"], latest["State"], latest["FollowsFamily"]) == (second, "available", True)
    assert [each["ImageId"] for each in souche("alias", "history", "debian-12@latest")] == images[:2]
    (told,) = souche("alias", "set", "Debian-12@stable", second)
    assert told["ImageId"] == second
    souche.run("alias", "set", "debian-12@STABLE", other)
    (told,) = souche("alias", "rollback", "debian-12@stable")
    assert told["ImageId"] == second
    assert [each["ImageId"] for each in souche("alias", "history", "debian-12@stable")] == [
        second,
        other,
        second,
    ]
    assert f"{second}  available" in souche.run("alias", "show", "Debian-12@stable")
    souche.run("image", "withdraw", second)
    names = {
        each["AliasName"].partition("/")[2] or each["AliasName"]: each for each in souche("alias", "list")
    }
    assert {name: each["State"] for name, each in names.items()} == {
        "Debian-12@latest": "dangling",
        "Debian-12@stable": "dangling",
        "Other@latest": "available",
    }
    (deleted,) = souche("alias", "delete", "debian-12@stable")
    assert deleted["ImageId"] == names["Debian-12@stable"]["ImageId"]
    assert len(souche("alias", "list")) == 2


def test_what_cannot_be_is_told_in_a_line(souche: Souche, images: list[str]) -> None:
    souche("account", "create", "alice")
    refused = {
        ("set", "Debian-12", images[1]): "NAME@CHANNEL",
        ("set", "Debian-12@latest", images[1]): "follows the images that are published",
        ("set", "Debian-12@x", "ami-00000000"): "doesn't exist",
        ("set", "Debian-12@x", images[0]): "withdrawn",
        ("set", "debian-12@mine", images[1], "--account", "alice"): "reserved for official images",
        ("rollback", "debian-12@latest"): "follows the images that are published",
        ("show", "nobody@stable"): "doesn't exist",
        ("delete", "nonsense"): "doesn't exist",
    }
    for words, told in refused.items():
        assert told in souche.refusal("alias", *words)


def test_an_alias_that_several_accounts_have_needs_the_account(souche: Souche, images: list[str]) -> None:
    for name in ("alice", "bob"):
        souche("account", "create", name)
        souche.run("alias", "set", "web@stable", images[1], "--account", name)
    assert "--account" in souche.refusal("alias", "show", "web@stable")
    (told,) = souche("alias", "show", "web@stable", "--account", "bob")
    assert told["AliasName"] == f"{told['AccountId']}/web@stable"
    assert souche("alias", "list", "--account", "bob") == [told]
    assert "There is no account 'carol'" in souche.refusal("alias", "list", "--account", "carol")
