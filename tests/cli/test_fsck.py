"""souche fsck."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.home import Home
from tests.cli.conftest import Souche
from tests.fsck.homes import healthy
from tests.workflows.world import Original


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return healthy(tmp_path_factory.mktemp("fsck") / "healthy")


@pytest.fixture
def home(original: Original, souche: Souche) -> Iterator[Path]:
    world = original.copy(souche.home)
    for file in souche.home.glob("*.sqlite*"):
        file.chmod(0o600)
    yield souche.home
    world.close()


@pytest.mark.usefixtures("home")
def test_fsck_of_a_healthy_region_says_that_all_is_well(souche: Souche) -> None:
    assert souche.run("fsck") == "no findings\n"
    assert json.loads(souche.run("fsck", "--json")) == []


def test_fsck_tells_programs_of_every_finding(souche: Souche, home: Path) -> None:
    (home / "vault.key").chmod(0o644)
    done = souche.invoke("fsck", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == [
        {
            "Code": "FileOpen",
            "ResourceId": "vault.key",
            "Text": "others on this machine can read it",
            "Level": "fault",
            "Repair": "only its owner may read it",
            "Advice": None,
        }
    ]


def test_fsck_says_what_it_mends_and_mends_it(souche: Souche, home: Path) -> None:
    (home / "vault.key").chmod(0o644)
    done = souche.invoke("fsck", "--repair")
    assert done.exit_code == 0, done.output
    assert "to repair: FileOpen vault.key: only its owner may read it" in done.stderr
    assert "repaired: FileOpen vault.key" in done.stderr
    assert done.stdout == "no findings\n"
    assert (home / "vault.key").stat().st_mode & 0o777 == 0o600


def test_fsck_mends_nothing_while_the_region_is_served(souche: Souche, home: Path) -> None:
    (home / "vault.key").chmod(0o644)
    with Home(home).serve():
        said = souche.refusal("fsck", "--repair")
    assert "to repair: FileOpen vault.key" in said
    assert said.endswith(f"souche: Another process serves the region in {home}.\n")
    assert (home / "vault.key").stat().st_mode & 0o777 == 0o644


def test_fsck_of_no_region_says_so(souche: Souche) -> None:
    assert "No region has been served from" in souche.refusal("fsck")
    assert not souche.home.exists()
