"""The file of `souche up`: its content, and mistakes in it, reported by table and key."""

from pathlib import Path

import pytest

from souche.cli import region_file
from souche.cli.publishing import Publication
from souche.cli.region_file import BadRegionFile, RecipeEntry, RegionFile
from souche.recipes.shelf import UnknownRecipe

EXAMPLE = Path(__file__).parents[2] / "examples/region.toml"
SERVE = '[serve]\nhome = "home"\n'
ACCOUNT = f'{SERVE}[[accounts]]\nname = "ci"\n'
IMAGE = f'{SERVE}[[images]]\nname = "Smoke"\n'
KEYS = f'access-key = "{"A" * 20}"\n'


def read(folder: Path, text: str) -> RegionFile:
    (folder / "region.toml").write_text(text)
    return region_file.read(folder / "region.toml")


def test_the_example_says_what_a_region_has() -> None:
    found = region_file.read(EXAMPLE)
    assert found.serve.values["home"] == str(EXAMPLE.parent / ".region")
    first, second = found.accounts
    assert (first.name, first.quotas) == ("ci", {"vm_limit": 20, "volume_limit": 40})
    assert first.credentials is not None
    assert [each.name for each in first.keypairs] == ["laptop"]
    assert second.credentials is None
    (image,) = found.images
    assert isinstance(image, Publication)
    assert image.family == "Smoke"
    assert image.file is None


def test_paths_begin_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{'s' * 40}\n")
    found = read(
        tmp_path,
        f'{ACCOUNT}{KEYS}secret-key-file = "secret"\n[[images]]\nname = "A"\nfile = "a.raw"\nboot-modes = ["uefi"]\n'
        '[[images]]\nname = "B"\nfile = "https://example.org/b.qcow2"\nsums = "SUMS"\nkey = "key.asc"\n'
        '[[images]]\nrecipe = "debian-12"\n',
    )
    assert found.accounts[0].credentials is not None
    assert found.accounts[0].credentials.secret == "s" * 40
    first, second, third = found.images
    assert isinstance(first, Publication)
    assert isinstance(second, Publication)
    assert (first.file, first.boot_modes) == (str(tmp_path / "a.raw"), ("uefi",))
    assert second.file == "https://example.org/b.qcow2"
    assert second.vouched.sums == str(tmp_path / "SUMS")
    assert isinstance(third, RecipeEntry)
    assert third.family == "Debian-12"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", "it is not TOML"),
        ("", "serve.home: it is missing"),
        ('serve = "home"', "serve: a table is expected"),
        (f"{SERVE}listn = 1", "serve: there is no setting 'listn'; perhaps listen"),
        (f"{SERVE}listen = 1", "serve: a string is expected for listen"),
        (f"acounts = 1\n{SERVE}", "acounts: there is no such key; perhaps accounts"),
        (f"accounts = 1\n{SERVE}", "accounts: tables are expected, each under [[accounts]]"),
        (f"accounts = [1]\n{SERVE}", "accounts 1: a table is expected"),
        (f"{SERVE}[[accounts]]", "accounts 1.name: it is missing"),
        (f'{ACCOUNT}[[accounts]]\nname = "ci"', "accounts: two have the name 'ci'"),
        (f"{ACCOUNT}alias = 1", "accounts 1.alias: a text is expected"),
        (f"{ACCOUNT}nmae = 1", "accounts 1.nmae: there is no such key; perhaps name"),
        (f"{ACCOUNT}{KEYS}", "accounts 1.access-key: it needs secret-key or secret-key-file"),
        (f'{ACCOUNT}access-key = "a"\nsecret-key = "b"', "access-key: 20 upper-case letters and digits"),
        (f'{ACCOUNT}{KEYS}secret-key = "b"', "accounts 1.secret-key: 40 letters, digits"),
        (f'{ACCOUNT}{KEYS}secret-key-file = "none"', "none: No such file or directory"),
        (f'{ACCOUNT}secret-key = "a"\nsecret-key-file = "b"', "cannot be used with secret-key-file"),
        (
            f"{ACCOUNT}quotas = {{ vms_limit = 1 }}",
            "quotas.vms_limit: there is no such quota; perhaps vm_limit",
        ),
        (f"{ACCOUNT}quotas = {{ vm_limit = -1 }}", "quotas.vm_limit: a whole number is expected"),
        (f"{ACCOUNT}[[accounts.keypairs]]", "accounts 1.keypairs 1.name: it is missing"),
        (
            f'{ACCOUNT}[[accounts.keypairs]]\nname = "k"',
            "keypairs 1.public-key: either it or public-key-file",
        ),
        (f'{ACCOUNT}[[accounts.keypairs]]\nname = "k"\npublic-key = "x"', "public-key: "),
        (IMAGE, "images 1.file: one of file, tiny and recipe is expected"),
        (f'{IMAGE}tiny = true\nfile = "a"', "one of file, tiny and recipe"),
        (f'{IMAGE}recipe = "debian-12"', "images 1.name: there is no such key"),
        (f'{IMAGE}tiny = true\nformat = "raw"', "images 1.tiny: "),
        (f'{IMAGE}file = "a"\nformat = "iso"', "images 1.format: one of "),
        (f'{IMAGE}file = "a"\nboot-modes = ["bios"]', "boot-modes: a list of some of legacy, uefi"),
        (
            f'{SERVE}[[images]]\nname = "a/b"\ntiny = true',
            "images 1.name: 1 to 100 of [a-zA-Z0-9_ ().-] are expected, without leading, trailing or double spaces.",
        ),
        (
            f'{IMAGE}file = "a"\ndescription = "{"x" * 256}"',
            "images 1.description: it has 256 characters, and may have 255.",
        ),
        (f'{SERVE}[[accounts]]\nname = "{"x" * 256}"', "accounts 1.name: 1 to 255 characters are expected."),
        (f'{ACCOUNT}alias = "Ж"', "accounts 1.alias: Latin letters"),
        (f'{IMAGE}tiny = "yes"', "images 1.tiny: true or false is expected"),
        (f'{IMAGE}tiny = true\n[[images]]\nname = "SMOKE"\ntiny = true', "images: two have the name 'smoke'"),
        (f'state = "x"\n{SERVE}ephemeral = true', "state: an ephemeral region has no named states"),
    ],
)
def test_a_mistake_is_told_by_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadRegionFile) as refused:
        read(tmp_path, text)
    assert f"The file {tmp_path / 'region.toml'} is not valid: " in str(refused.value)
    assert said in str(refused.value)


def test_a_recipe_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownRecipe):
        read(tmp_path, f'{SERVE}[[images]]\nrecipe = "debian-1"\n')
