"""What a recipe's file may say (docs/recipes.md)."""

from datetime import date
from pathlib import Path

import pytest

from souche.recipes.recipe import BUILT_IN, AddedFile, Recipe
from souche.recipes.recipe_files import FILE_KEYS, KEYS, BadRecipe, read
from souche.recipes.shelf import NoRecipes, RecipeTwice, Shelf, UnknownRecipe

LEAST = 'family = "Web"\nsuite = "trixie"\n'
WHOLE = """\
family = "Web-1.2"
description = "Our web server"
suite = "trixie"
architecture = "x86_64"
boot-modes = ["uefi"]
disk-gib = 8
product-codes = ["0001", "pty-12345678"]
components = ["main", "contrib"]
packages = ["nginx", "g++"]
kernel = "linux-image-amd64"
updates = true
security = true
mirror = "http://mirror.example/debian/"
security-mirror = "https://mirror.example/debian-security"
commands = ["systemctl disable nginx", "true"]
end-of-life = 2030-06-30

[[files]]
path = "/etc/motd"
content = "hello"

[[files]]
path = "/usr/local/bin/start"
source = "files/start"
mode = "0755"
"""


def write(folder: Path, text: str, name: str = "web.toml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_every_key_is_read(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "start").write_bytes(b"\xff")
    file = write(tmp_path, WHOLE)
    assert read(file) == Recipe(
        name="web",
        family="Web-1.2",
        description="Our web server",
        suite="trixie",
        architecture="x86_64",
        boot_modes=("uefi",),
        disk_gib=8,
        product_codes=("0001", "pty-12345678"),
        components=("main", "contrib"),
        packages=("nginx", "g++"),
        kernel="linux-image-amd64",
        updates=True,
        security=True,
        mirror="http://mirror.example/debian",
        security_mirror="https://mirror.example/debian-security",
        files=(AddedFile("/etc/motd", b"hello"), AddedFile("/usr/local/bin/start", b"\xff", 0o755)),
        commands=("systemctl disable nginx", "true"),
        end_of_life=date(2030, 6, 30),
        origin=str(file),
    )
    assert {key.field for key in KEYS} == {*Recipe.__dataclass_fields__} - {"name", "origin"}
    assert all(f"{key.name} = " in WHOLE for key in (*KEYS, *FILE_KEYS) if key.name != "files")


def test_family_and_suite_are_enough(tmp_path: Path) -> None:
    file = write(tmp_path, LEAST)
    assert read(file) == Recipe("web", "Web", "trixie", origin=str(file))
    assert read(write(tmp_path, LEAST + 'architecture = "i386"')).boot_modes == ("legacy",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("family = ", "it is not TOML: Invalid value (at end of document)"),
        ('suite = "trixie"', "the key 'family' is missing."),
        ('family = "Web"', "the key 'suite' is missing."),
        (LEAST + 'pakages = ["nginx"]', "there is no key 'pakages'. Keys: family, suite, "),
        (LEAST + 'boot_modes = ["uefi"]', "there is no key 'boot_modes'"),
        ('family = "a b"\nsuite = "trixie"', "'family': 3 to 100 letters, digits"),
        ('family = "Web@latest"\nsuite = "trixie"', "'family': 3 to 100 letters, digits"),
        ('family = "Web"\nsuite = "--help"', "'suite': the code name of a release"),
        (
            'family = "Web"\nsuite = 13',
            "'suite': the code name of a release, such as trixie, is expected, not 13.",
        ),
        (LEAST + f'description = "{"x" * 256}"', "'description': up to 255 printable characters"),
        (LEAST + 'architecture = "arm64"', "'architecture': one of i386, x86_64 is expected, not 'arm64'."),
        (
            LEAST + 'architecture = "i386"\nboot-modes = ["uefi"]',
            "'boot-modes': an i386 image boots only by legacy.",
        ),
        (LEAST + 'boot-modes = "uefi"', "'boot-modes': a list is expected, not 'uefi'."),
        (LEAST + "boot-modes = []", "'boot-modes': the list is empty."),
        (LEAST + 'boot-modes = ["bios"]', "'boot-modes': one of legacy, uefi is expected, not 'bios'."),
        (LEAST + 'disk-gib = "8"', "'disk-gib': a whole number of 2 to 1024 is expected, not '8'."),
        (LEAST + "disk-gib = 1", "'disk-gib': a whole number of 2 to 1024"),
        (LEAST + "disk-gib = true", "'disk-gib': a whole number of 2 to 1024"),
        (LEAST + 'product-codes = ["1"]', "'product-codes': a code such as"),
        (LEAST + "components = []", "'components': the list is empty."),
        (LEAST + 'packages = ["nginx", "nginx"]', "'packages': 'nginx' occurs twice."),
        (LEAST + 'packages = ["nginx,curl"]', "'packages': the name of a Debian package is expected"),
        (LEAST + 'packages = ["-oX=y"]', "'packages': the name of a Debian package is expected"),
        (LEAST + 'kernel = "Linux"', "'kernel': the name of a Debian package"),
        (LEAST + 'updates = "no"', "'updates': true or false is expected, not 'no'."),
        (LEAST + "security = 0", "'security': true or false is expected, not 0."),
        (LEAST + 'mirror = "file:///srv"', "'mirror': an http or https URL is expected"),
        (LEAST + 'mirror = "http://me:secret@a/b"', "'mirror': a URL without user and password"),
        (LEAST + 'mirror = "http://["', "'mirror': an http or https URL is expected"),
        (LEAST + 'mirror = ["http://a/b"]', "'mirror': an http or https URL is expected"),
        (LEAST + 'mirror = "http://a/ b"', "'mirror': an http or https URL is expected"),
        (LEAST + 'security = false\nsecurity-mirror = "http://a/s"', "'security-mirror': it needs"),
        (
            LEAST + 'end-of-life = "2030-06-30"',
            "'end-of-life': a date such as 2030-06-30 is expected, without",
        ),
        (LEAST + "end-of-life = 2030-06-30T00:00:00Z", "'end-of-life': a date such as 2030-06-30"),
        (LEAST + 'commands = "true"', "'commands': a list is expected, not 'true'."),
        (LEAST + 'commands = [" "]', "'commands': a line for the shell is expected"),
        (LEAST + 'files = ["/etc/motd"]', "'files': tables are expected"),
        (LEAST + '[[files]]\ncontent = "x"', "'files': the key 'path' is missing."),
        (LEAST + '[[files]]\npath = "/etc/motd"', "'files': '/etc/motd' needs either 'content' or 'source'."),
        (LEAST + '[[files]]\npath = "/a"\ncontent = ""\nsource = "web.toml"', "needs either 'content' or"),
        (LEAST + '[[files]]\npath = "etc/motd"\ncontent = ""', "'files': 'path': an absolute path"),
        (LEAST + '[[files]]\npath = "/etc/../x"\ncontent = ""', "'files': 'path': an absolute path"),
        (LEAST + '[[files]]\npath = "/etc/"\ncontent = ""', "'files': 'path': an absolute path"),
        (LEAST + '[[files]]\npath = "/a"\ncontent = 1', "'files': 'content': a text is expected, not 1."),
        (
            LEAST + '[[files]]\npath = "/a"\nsource = "none"',
            "'files': 'source': there is no file 'none' beside",
        ),
        (
            LEAST + '[[files]]\npath = "/a"\nsource = "../other"',
            "'../other' is not in the folder of the recipe",
        ),
        (
            LEAST + '[[files]]\npath = "/a"\ncontent = ""\nmode = 644',
            "'files': 'mode': an octal mode such as",
        ),
        (LEAST + '[[files]]\npath = "/a"\ncontent = ""\nmode = "4755"', "'files': 'mode': an octal mode"),
        (LEAST + '[[files]]\npath = "/a"\ncontent = ""\nowner = "me"', "'files': there is no key 'owner'."),
    ],
)
def test_what_a_recipe_cannot_say_is_refused_by_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "other").write_text("not to be read")
    (tmp_path / "recipes").mkdir()
    file = write(tmp_path / "recipes", text)
    with pytest.raises(BadRecipe) as refused:
        read(file)
    assert str(refused.value).startswith(f"The recipe {file} is not valid: ")
    assert said in str(refused.value)


def test_a_link_out_of_the_recipes_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "link").symlink_to(tmp_path / "secret")
    file = write(tmp_path / "recipes", LEAST + '[[files]]\npath = "/a"\nsource = "link"')
    with pytest.raises(BadRecipe, match="not in the folder"):
        read(file)


@pytest.mark.parametrize("name", ["Web.toml", "we b.toml", "-web.toml", f"{'x' * 65}.toml"])
def test_a_recipe_is_named_after_its_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRecipe, match="64 lower-case letters"):
        read(write(tmp_path, LEAST, name))


def test_the_built_in_recipes_are_debian_12_and_13() -> None:
    shelf = Shelf()
    assert shelf.names() == ["debian-12", "debian-12-i386", "debian-13"]
    found = {name: shelf.get(name) for name in shelf.names()}
    assert {each.origin for each in found.values()} == {BUILT_IN}
    assert [each.family for each in found.values()] == ["Debian-12", "Debian-12-i386", "Debian-13"]
    assert [each.suite for each in found.values()] == ["bookworm", "bookworm", "trixie"]
    assert found["debian-13"].boot_modes == ("legacy", "uefi")
    assert found["debian-12-i386"].boot_modes == ("legacy",)


def test_recipes_of_ones_own_stand_beside_the_built_in_ones(tmp_path: Path) -> None:
    write(tmp_path, LEAST)
    write(tmp_path, "hidden", ".web.toml")
    write(tmp_path, "no recipe", "README.md")
    shelf = Shelf(tmp_path)
    assert shelf.names() == ["debian-12", "debian-12-i386", "debian-13", "web"]
    assert shelf.get("web").family == "Web"
    assert shelf.get("debian-13").origin == BUILT_IN


def test_a_wrong_recipe_holds_up_no_other(tmp_path: Path) -> None:
    write(tmp_path, "wrong", "bad.toml")
    write(tmp_path, LEAST)
    assert Shelf(tmp_path).get("web").family == "Web"
    with pytest.raises(BadRecipe):
        Shelf(tmp_path).get("bad")


def test_a_recipe_with_the_name_of_a_built_in_one_is_refused(tmp_path: Path) -> None:
    write(tmp_path, LEAST, "debian-12.toml")
    with pytest.raises(RecipeTwice, match=r"debian-12\.toml has the name of a built-in one"):
        Shelf(tmp_path).get("debian-12")
    assert Shelf(tmp_path).get("debian-13").origin == BUILT_IN


def test_an_unknown_recipe_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        UnknownRecipe, match=r"no recipe 'debian-99'\. Recipes: debian-12, debian-12-i386, debian-13\."
    ):
        Shelf().get("debian-99")


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoRecipes, match="no folder of recipes"):
        Shelf(tmp_path / "missing")
