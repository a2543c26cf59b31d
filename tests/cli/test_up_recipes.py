"""`souche up` with images that recipes build: a real server in the background; the disks are made by
`PretendedBuilder`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from souche.cli import background, commands
from souche.cli.composition import Started
from souche.cli.server import Server
from souche.home import Home
from tests.cli.conftest import Souche

SECONDS = 120
REGION = """
recipes = "own"

[serve]
home = "home"
compute = "simulated"
listen = "127.0.0.1:0"
oos_listen = ""

[[accounts]]
name = "vendor"

[[images]]
recipe = "web"

[[images]]
recipe = "debian-13"
account = "vendor"
verify = false
"""
WEB = 'family = "Web"\nsuite = "trixie"\ndescription = "Ours"\ndisk-gib = 6\n'


class Up:
    """`souche up` in this process, with the operator's commands beside it."""

    def __init__(self, file: Path, souche: Souche) -> None:
        self.file = file
        self.souche = souche
        self.home = Home(souche.home)
        self._servers: list[Started] = []
        self._app = commands.build(replace(souche.composition, start=self._start))

    def __call__(self) -> Result:
        """Run it, however it ends."""
        return CliRunner().invoke(self._app, ["up", str(self.file), "--json"])

    def is_served(self) -> bool:
        """Whether the region has a server."""
        return Server(self.home.operator).process() is not None

    def end(self) -> None:
        """End what `up` has left running."""
        background.end(self.home, SECONDS)
        for server in self._servers:
            server.wait()

    def _start(self, words: Sequence[str], log_file: Path) -> Started:
        self._servers.append(self.souche.composition.start(words, log_file))
        return self._servers[-1]


@pytest.fixture
def up(tmp_path: Path, souche: Souche) -> Iterator[Up]:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/web.toml").write_text(WEB)
    (tmp_path / "region.toml").write_text(REGION)
    made = Up(tmp_path / "region.toml", souche)
    yield made
    made.end()


def test_images_are_built_once(up: Up) -> None:
    first = up()
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["Accounts"] == "vendor"
    assert first.stderr.count("it is not booted before it is public") == 1
    assert up().exit_code == 0
    assert up.souche.builder.built == ["web", "debian-13"]
    listed = up.souche("image", "list")
    assert [(each["Family"], each["Account"] == "Outscale") for each in listed] == [
        ("Web", True),
        ("Debian-13", False),
    ]
    shown = [up.souche("image", "show", each["ImageId"])[0] for each in listed]
    assert [(each["Recipe"], each["Packages"]) for each in shown] == [
        ("web", up.souche.builder.archive),
        ("debian-13", up.souche.builder.archive),
    ]
    assert list(up.home.staging.iterdir()) == []


def test_a_build_that_fails_ends_the_server_and_the_next_up_goes_on(up: Up) -> None:
    up.file.write_text(REGION.replace("debian-13", "debian-12"))
    up.souche.builder.broken = {"bookworm"}
    failed = up()
    assert (failed.exit_code, "no mirror" in failed.stderr) == (1, True), failed.output
    assert not up.is_served()
    assert list(up.home.staging.iterdir()) == []
    up.souche.builder.broken = set()
    assert up().exit_code == 0
    assert up.souche.builder.built == ["web", "debian-12", "debian-12"]


def test_a_disk_that_is_refused_leaves_no_image(up: Up) -> None:
    up.souche.builder.cut = {"trixie"}
    failed = up()
    assert (failed.exit_code, "The disk is cut short" in failed.stderr) == (1, True), failed.output
    assert not up.is_served()
    assert up.souche("image", "list") == []
    assert list(up.home.staging.iterdir()) == []


def test_mistakes_are_refused_before_the_first_build(up: Up) -> None:
    up.file.write_text(REGION.replace('account = "vendor"', 'account = "nobody"'))
    refused = up()
    assert (refused.exit_code, "nobody" in refused.stderr) == (1, True), refused.output
    assert up.souche.builder.built == []


def test_an_unknown_recipe_is_refused_before_a_server_starts(up: Up) -> None:
    up.file.write_text(REGION.replace('"web"', '"wbe"'))
    refused = up()
    assert (refused.exit_code, "There is no recipe 'wbe'" in refused.stderr) == (1, True), refused.output
    assert not up.home.path.exists()
