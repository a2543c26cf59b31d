"""`souche image update` (docs/recipes.md): which images are rebuilt, and which are not. Disks and archive are those of
`PretendedBuilder`; tests/recipes asks Debian's. Most images here are records without disks."""

from pathlib import Path

import pytest

from souche.app import official_images
from souche.db import image_builds
from souche.home import Home
from souche.main import administration
from souche.model.accounts import Principal
from souche.model.image_builds import Build
from souche.model.permissions import Permissions
from souche.recipes import debian
from souche.recipes.shelf import Shelf
from tests.cli.conftest import Souche
from tests.support.exported import qcow2
from tests.support.resources import make_image

KEYS = ["Recipe", "State", "AccountId", "ImageId", "ImageName", "FormerImageId", "Reason", "Packages"]
WEB = 'family = "Web"\nsuite = "forky"\n'


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the recipe `web`, in the environment."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "web.toml").write_text(WEB)
    monkeypatch.setenv("SOUCHE_RECIPES", str(folder))
    return folder


def record(souche: Souche, name: str, *, account: str | None = None, folder: Path | None = None) -> str:
    """The id of an image as `souche image build` would have made it now."""
    recipe = Shelf(folder).get(name)
    with administration.administer(souche.home, make=True) as administered:
        region = administered.region
        publisher = official_images.publisher(region, account)
        shared = Permissions(public=True)
        who = Principal(publisher.account_id)
        image = make_image(region, who, f"{recipe.family}-0", family=recipe.family, permissions=shared)
        with region.store.begin() as connection:
            build = Build(name, debian.digest(recipe), souche.builder.archive)
            image_builds.insert(connection, image.image_id, build)
        return image.image_id


@pytest.fixture
def image_id(souche: Souche) -> str:
    """The image of debian-13."""
    return record(souche, "debian-13")


def states(souche: Souche, *arguments: object) -> dict[str, str]:
    return {each["Recipe"]: each["State"] for each in souche("image", "update", *arguments)}


def test_where_nothing_would_be_different_nothing_is_built_or_said(souche: Souche, image_id: str) -> None:
    for what in ("--all", "debian-13"):
        done = souche.invoke("image", "update", what)
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    (told,) = souche("image", "update", "--all")
    assert list(told) == KEYS
    assert (told["State"], told["ImageId"], told["FormerImageId"]) == ("current", image_id, "")
    assert souche.builder.built == []


def test_images_that_no_recipe_built_are_left_alone(souche: Souche, tmp_path: Path) -> None:
    (tmp_path / "disk.qcow2").write_bytes(qcow2(b"disk"))
    souche("image", "publish", tmp_path / "disk.qcow2", "--name", "Debian-13")
    assert souche.run("image", "update", "--all") == ""
    assert "builds one" in souche.refusal("image", "update", "debian-13")
    assert souche.builder.asked == []


def test_an_image_with_packages_of_other_versions_is_built_again_and_replaced(
    souche: Souche, image_id: str
) -> None:
    souche.builder.archive = {**souche.builder.archive, "openssl": "3.5.2"}
    (told,) = souche("image", "update", "--all")
    assert (told["State"], told["FormerImageId"]) == ("built", image_id)
    assert told["Packages"] == [{"Name": "openssl", "Former": "3.5.1", "Now": "3.5.2"}]
    assert told["Reason"] == "other versions of packages: openssl 3.5.1 -> 3.5.2"
    assert told["ImageName"].startswith("Debian-13-20")
    former, newer = souche("image", "list")
    assert (former["State"], former["SuccessorId"]) == ("withdrawn", told["ImageId"])
    assert (newer["State"], newer["ImageId"]) == ("available", told["ImageId"])
    assert states(souche, "--all") == {"debian-13": "current"}
    assert souche.builder.built == ["debian-13"]


def test_a_changed_recipe_is_a_reason_without_a_look_at_the_archive(souche: Souche, recipes: Path) -> None:
    record(souche, "web", folder=recipes)
    (recipes / "web.toml").write_text(WEB + "# a comment is no change\n")
    assert states(souche, "web") == {"web": "current"}
    (recipes / "web.toml").write_text(WEB + 'packages = ["nginx"]\n')
    souche.builder.asked.clear()
    (told,) = souche("image", "update", "web", "--dry-run")
    assert (told["State"], told["Reason"]) == ("outdated", "the recipe has changed")
    assert souche.builder.asked == []


def test_a_package_that_only_one_side_has_is_no_reason(souche: Souche, image_id: str) -> None:
    """apt's plan and the image may differ by one; an image built again would be no other."""
    souche.builder.archive = {"base-files": "13.8", "mawk": "1"}
    assert states(souche, "--all") == {"debian-13": "current"}


def test_a_dry_run_says_what_would_be_built_and_builds_nothing(souche: Souche, image_id: str) -> None:
    souche.builder.archive = {**souche.builder.archive, "openssl": "3.5.2"}
    assert souche.run("image", "update", "--all", "--dry-run") == (
        f"debian-13  outdated  {image_id}  Debian-13-0  (other versions of packages: openssl 3.5.1 -> 3.5.2)\n"
    )
    assert states(souche, "debian-13", "--dry-run") == {"debian-13": "outdated"}
    assert souche.builder.built == []


def test_a_line_names_a_few_packages_and_how_many_more(souche: Souche) -> None:
    souche.builder.archive = {f"lib{number}": "1" for number in range(8)}
    record(souche, "debian-12")
    souche.builder.archive = dict.fromkeys(souche.builder.archive, "2")
    (told,) = souche("image", "update", "debian-12", "--dry-run")
    assert told["Reason"].endswith("lib4 1 -> 2, and 3 more")
    assert len(told["Packages"]) == 8


def test_one_recipe_that_fails_does_not_hold_up_the_others(souche: Souche, recipes: Path) -> None:
    former = [record(souche, name, folder=recipes) for name in ("web", "debian-12", "debian-13")]
    souche.builder.archive = {**souche.builder.archive, "openssl": "3.5.2"}
    souche.builder.broken, souche.builder.silent = {"forky"}, {"bookworm"}
    done = souche.invoke("image", "update", "--all")
    assert done.exit_code == 1
    assert "souche: web: 'mmdebstrap' ended with status 1: no mirror" in done.stderr
    assert "souche: debian-12: 'mmdebstrap' ended with status 1: no answer" in done.stderr
    assert done.stdout.startswith("debian-13  built  ami-")
    listed = [each["ImageId"] for each in souche("image", "list") if each["State"] == "available"]
    assert listed[:2] == former[:2]
    assert len(listed) == 3
    assert list((souche.home / "staging").iterdir()) == []


def test_a_recipe_that_is_gone_or_wrong_fails_alone(souche: Souche, recipes: Path) -> None:
    record(souche, "web", folder=recipes)
    record(souche, "debian-13")
    (recipes / "web.toml").write_text("wrong")
    for said in ("web.toml is not valid", "There is no recipe 'web'."):
        done = souche.invoke("image", "update", "--all", "--json")
        assert done.exit_code == 1
        assert said in done.stderr
        assert '"State": "current"' in done.stdout
        (recipes / "web.toml").unlink(missing_ok=True)


def test_a_named_recipe_without_an_image_is_an_error(souche: Souche, image_id: str) -> None:
    done = souche.invoke("image", "update", "debian-12", "missing", "debian-13", "--json")
    assert done.exit_code == 1
    assert "`souche image build debian-12` builds one" in done.stderr
    assert "There is no recipe 'missing'." in done.stderr
    assert '"State": "current"' in done.stdout


def test_recipes_or_all_have_to_be_said_and_not_both(souche: Souche, image_id: str) -> None:
    for given in ((), ("debian-13", "--all")):
        assert "Name the recipes" in souche.refusal("image", "update", *given)


def test_withdrawn_and_deprecated_images_are_left_alone(souche: Souche, image_id: str) -> None:
    souche.builder.archive = {**souche.builder.archive, "openssl": "3.5.2"}
    souche("image", "deprecate", image_id, "--on", "2999-12-31")
    assert souche.run("image", "update", "--all") == ""
    (told,) = souche("image", "update", "debian-13")
    assert (told["State"], told["ImageId"]) == ("deprecated", image_id)
    souche("image", "withdraw", image_id)
    assert souche("image", "update", "--all") == []
    assert "builds one" in souche.refusal("image", "update", "debian-13")
    assert souche.builder.built == []


def test_each_account_for_which_a_recipe_was_built_gets_its_update(souche: Souche) -> None:
    (alice,) = souche("account", "create", "alice")
    for_alice = {record(souche, name, account="alice") for name in ("debian-12", "debian-12-i386")}
    official = record(souche, "debian-12")
    souche.builder.archive = {**souche.builder.archive, "openssl": "3.5.2"}
    told = souche("image", "update", "--all", "--dry-run")
    assert {each["State"] for each in told} == {"outdated"}
    assert {each["ImageId"] for each in told if each["AccountId"] == alice["AccountId"]} == for_alice
    assert {each["ImageId"] for each in told} == {*for_alice, official}


def test_an_update_is_the_accounts_own_whose_image_it_replaces(souche: Souche) -> None:
    (alice,) = souche("account", "create", "alice")
    former = record(souche, "debian-12-i386", account="alice")
    souche.builder.archive = {**souche.builder.archive, "openssl": "3.5.2"}
    (told,) = souche("image", "update", "--all")
    assert (told["State"], told["FormerImageId"], told["AccountId"]) == ("built", former, alice["AccountId"])
    shown = {each["ImageId"]: each for each in souche("image", "list")}
    assert shown[told["ImageId"]]["Account"] == alice["AccountId"]
    assert shown[former]["State"] == "withdrawn"


def test_only_one_update_runs_at_a_time(souche: Souche, image_id: str) -> None:
    with Home(souche.home).update():
        done = souche.invoke("image", "update", "--all")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "Another process updates the images" in done.stderr
    assert souche.builder.asked == []
    assert states(souche, "--all") == {"debian-13": "current"}


def test_the_lock_is_held_while_an_image_is_built(souche: Souche, image_id: str) -> None:
    souche.builder.archive = {**souche.builder.archive, "openssl": "3.5.2"}
    souche.builder.broken = {"trixie"}
    others: list[int] = []
    souche.builder.meanwhile = lambda: others.append(souche.invoke("image", "update", "--all").exit_code)
    assert "no mirror" in souche.refusal("image", "update", "--all")
    assert others == [3]
    assert souche.builder.built == ["debian-13"]


def test_what_cannot_be_published_is_refused_before_it_is_built(souche: Souche, image_id: str) -> None:
    souche.builder.archive = {**souche.builder.archive, "openssl": "3.5.2"}
    assert "no code 'nothing'" in souche.refusal("image", "update", "--all", "--accept", "nothing")
    assert "0 to 3650" in souche.refusal("image", "update", "--all", "--grace-days", "9999")
    assert souche.builder.built == []
