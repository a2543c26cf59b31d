"""docs/recipes.md says what the code does."""

import re
from pathlib import Path

from souche.recipes.recipe import LEAST_DISK_GIB, MOST_DISK_GIB
from souche.recipes.recipe_files import FILE_KEYS, KEYS, MOST_FILE_BYTES, read
from souche.recipes.shelf import Shelf
from tests.support.markdown import blocks

PAGE = Path(__file__).parent.parent / "docs" / "recipes.md"
TEXT = PAGE.read_text()


def test_every_key_has_its_row_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", TEXT, re.MULTILINE)
    assert rows == [key.name for key in (*KEYS, *FILE_KEYS)]


def test_the_numbers_and_names_are_those_of_the_code() -> None:
    assert f"{LEAST_DISK_GIB} to {MOST_DISK_GIB}." in TEXT
    assert f"up to {MOST_FILE_BYTES >> 20} MiB" in TEXT
    assert all(f"`{name}`" in TEXT for name in Shelf().names())


def test_the_example_is_a_recipe(tmp_path: Path) -> None:
    (example,) = (block.text for block in blocks(PAGE) if block.language == "toml")
    (tmp_path / "web-1").mkdir()
    (tmp_path / "web-1" / "report").write_text("#!/bin/sh\n")
    (tmp_path / "web-1.toml").write_text(example)
    recipe = read(tmp_path / "web-1.toml")
    assert (recipe.name, recipe.family, recipe.packages) == (
        "web-1",
        "Web-1",
        ("nginx", "unattended-upgrades"),
    )
    assert [file.mode for file in recipe.files] == [0o644, 0o755]
