"""`souche image build` and `souche image recipes` (docs/recipes.md). The disks are made by `PretendedBuilder`; Debian's
own are built in tests/recipes and tests/guests."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from souche.cli import image_build
from souche.db import images
from souche.main import administration, command_line
from souche.model.images import Image
from tests.cli.conftest import Souche

WEB = (
    'family = "Web"\nsuite = "trixie"\ndescription = "Ours"\nproduct-codes = ["0001", "0007"]\ndisk-gib = 6\n'
)


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "web.toml").write_text(WEB)
    return folder


def read(souche: Souche, image_id: str) -> Image:
    with (
        administration.administer(souche.home) as administered,
        administered.region.store.read() as connection,
    ):
        image = images.get(connection, image_id)
        assert image is not None
        return image


def listing(*arguments: object) -> Result:
    """Runs `souche image recipes`, which needs no region."""
    app = typer.Typer()
    app.callback()(lambda: None)
    image_build.add(app, command_line.composition())
    return CliRunner().invoke(app, ["recipes", *map(str, arguments)])


def listed_recipes(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in listing("--recipes", folder, "--json").stdout.splitlines()]


def test_an_image_is_built_by_a_recipe_of_ones_own(souche: Souche, recipes: Path) -> None:
    (told,) = souche("image", "build", "web", "--recipes", recipes)
    image = read(souche, told["ImageId"])
    assert (image.family, image.description, image.account_alias) == ("Web", "Ours", "Outscale")
    assert (image.product_codes, image.boot_modes) == (("0001", "0007"), ("legacy", "uefi"))
    assert list((souche.home / "staging").iterdir()) == []


def test_an_image_records_its_recipe_and_its_packages(
    souche: Souche, recipes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of recipes may stand in the environment."""
    monkeypatch.setenv("SOUCHE_RECIPES", str(recipes))
    (told,) = souche("image", "build", "web")
    (shown,) = souche("image", "show", told["ImageId"])
    listed = {each["Recipe"]: each for each in listed_recipes(recipes)}
    assert shown["Recipe"] == "web"
    assert shown["RecipeDigest"] == listed["web"]["Digest"]
    assert shown["Packages"] == souche.builder.archive
    assert "Recipe           web" in souche.run("image", "show", told["ImageId"])


def test_what_a_recipe_cannot_be_is_refused_before_anything_is_built(souche: Souche, recipes: Path) -> None:
    (recipes / "bad.toml").write_text('family = "Bad"\nsuite = "trixie"\nsize = 4\n')
    (recipes / "mine.toml").write_text(
        'family = "Mine"\nsuite = "trixie"\nproduct-codes = ["pty-12345678"]\n'
    )
    (recipes / "debian-13.toml").write_text('family = "Debian-13"\nsuite = "trixie"\n')
    for name, given, said in (
        ("bad", (), f"The recipe {recipes}/bad.toml is not valid: there is no key 'size'."),
        ("mine", (), "pty-12345678"),
        ("debian-13", (), "has the name of a built-in one"),
        (
            "missing",
            (),
            "There is no recipe 'missing'. Recipes: bad, debian-12, debian-12-i386, debian-13, mine, web.",
        ),
        ("web", ("--account", "nobody"), "no account 'nobody'"),
        ("web", ("--accept", "nothing"), "no code 'nothing'"),
        ("web", ("--grace-days", "-1"), "0 to 3650"),
    ):
        assert said in souche.refusal("image", "build", name, "--recipes", recipes, *given)
    assert "no folder of recipes" in souche.refusal("image", "build", "web", "--recipes", recipes / "none")
    assert souche.builder.built == []


def test_a_build_that_fails_leaves_nothing(souche: Souche, recipes: Path) -> None:
    souche.builder.broken = {"trixie"}
    assert "no mirror" in souche.refusal("image", "build", "web", "--recipes", recipes)
    assert souche("image", "list") == []
    assert list((souche.home / "staging").iterdir()) == []


def test_a_disk_that_a_build_leaves_damaged_is_not_published(souche: Souche, recipes: Path) -> None:
    souche.builder.cut = {"trixie"}
    assert "cut short" in souche.refusal("image", "build", "web", "--recipes", recipes)
    assert souche("image", "list") == []
    assert list((souche.home / "staging").iterdir()) == []


def test_recipes_are_listed_with_where_they_come_from(recipes: Path) -> None:
    shown = {each["Recipe"]: each for each in listed_recipes(recipes)}
    assert list(shown) == ["debian-12", "debian-12-i386", "debian-13", "web"]
    assert list(shown["web"]) == [
        "Recipe",
        "Family",
        "Suite",
        "Architecture",
        "EndOfLife",
        "Origin",
        "Digest",
    ]
    assert shown["web"]["Origin"] == str(recipes / "web.toml")
    assert (shown["debian-13"]["Origin"], shown["debian-13"]["EndOfLife"]) == ("built-in", "2030-06-30")
    assert len({each["Digest"] for each in shown.values()}) == 4
    assert "trixie      built-in" in listing().stdout


def test_a_recipe_that_is_not_valid_is_told_beside_the_others(recipes: Path) -> None:
    (recipes / "bad.toml").write_text("wrong")
    done = listing("--recipes", recipes, "--json")
    assert done.exit_code == 1
    assert "bad.toml is not valid: it is not TOML" in done.stderr
    assert len(done.stdout.splitlines()) == 4
