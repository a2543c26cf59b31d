"""Files in TOML that somebody else may have written."""

from pathlib import Path

import pytest

from souche import small_file, toml_file
from souche.cli import region_file
from souche.cli.config_file import read_config_file
from souche.cli.region_file import BadRegionFile
from souche.config import BadSetting
from souche.recipes import recipe_files
from souche.recipes.recipe_files import BadRecipe


@pytest.fixture(params=["a = " + "[" * 30_000, "#" * (small_file.MOST_BYTES + 1)], ids=["nested", "large"])
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "region.toml"
    file.write_text(request.param)
    return file


def test_a_hostile_region_is_told(hostile: Path) -> None:
    with pytest.raises(BadRegionFile, match=r"nested too deeply|more than 64 KiB"):
        region_file.read(hostile)


def test_hostile_settings_are_told(hostile: Path) -> None:
    with pytest.raises(BadSetting, match=r"nested too deeply|more than 64 KiB"):
        read_config_file({"config": str(hostile)})


def test_a_hostile_recipe_is_told(hostile: Path) -> None:
    with pytest.raises(BadRecipe, match=r"nested too deeply|more than 64 KiB"):
        recipe_files.read(hostile)


def test_a_file_without_an_end_is_not_read_whole() -> None:
    with pytest.raises(ValueError, match="more than 64 KiB"):
        toml_file.read(Path("/dev/zero"))
