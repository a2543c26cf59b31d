"""The folder of a region."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from souche.home import Home, HomeUnwritable
from souche.main.databases import open_store


@pytest.fixture
def closed_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("closed_umask")
def test_qemus_user_may_pass_through_a_new_home_whatever_the_umask(tmp_path: Path) -> None:
    home = Home(tmp_path / "region")
    home.make()
    assert [each.stat().st_mode & 0o777 for each in (home.path, home.staging)] == [0o711, 0o700]


def test_the_mode_of_a_home_that_is_there_is_its_owners_choice(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    Home(tmp_path).make()
    assert tmp_path.stat().st_mode & 0o777 == 0o750


def test_only_its_owner_reads_the_databases(tmp_path: Path) -> None:
    """Others pass through the folder: with the records they would read user data, and the names of every disk."""
    home = Home(tmp_path / "region")
    home.make()
    (home.path / "journal.sqlite-wal").touch(0o644)  # of an earlier Souche
    home.make_databases()
    with open_store(home) as store, store.read():
        modes = {each.name: each.stat().st_mode & 0o777 for each in home.path.glob("*.sqlite*")}
    assert len(modes) == 5
    assert set(modes.values()) == {0o600}


def test_only_its_owner_opens_the_lock_of_the_server(tmp_path: Path) -> None:
    """A command makes it too, with its user's umask; others could lock the region by it."""
    home = Home(tmp_path / "region")
    home.make()
    assert not home.is_served()
    assert (home.path / "serving.lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("readers", [None, 12345])
def test_a_home_of_an_earlier_souche_is_narrowed(tmp_path: Path, readers: int | None) -> None:
    for folder in ("disks/layers", "disks/volumes", "guests/i-1", "staging/snap-1", "oos/data"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").write_text("x")
    (tmp_path / "disks/volumes/vol-1").symlink_to("../layers/file")
    for each in tmp_path.rglob("*"):
        if not each.is_symlink():
            each.chmod(0o755 if each.is_dir() else 0o664)
    for _ in range(2):
        Home(tmp_path).narrow(readers)
    found = {
        str(each.relative_to(tmp_path)): each.stat()
        for each in tmp_path.rglob("*")
        if not each.is_symlink() and "oos" not in each.parts
    }
    opened = {name: status.st_mode & 0o077 for name, status in found.items() if status.st_mode & 0o077}
    passable = ("disks", "disks/layers", "guests", "guests/i-1")
    assert opened == (
        {} if readers is None else {**dict.fromkeys(passable, 0o010), "disks/layers/file": 0o040}
    )
    assert {found[name].st_gid for name in opened} <= {readers}
    assert all(status.st_mode & 0o600 == 0o600 for status in found.values())


def test_disks_on_another_file_system_are_narrowed_too(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "large" / "layers").mkdir(parents=True)
    layer = tmp_path / "large" / "layers" / "vol-1.qcow2"
    layer.touch(0o644)
    (tmp_path / "home" / "disks").symlink_to(tmp_path / "large")
    Home(tmp_path / "home").narrow(12345)
    found = [
        (each.stat().st_mode & 0o777, each.stat().st_gid)
        for each in (layer.parent.parent, layer.parent, layer)
    ]
    assert found == [(0o710, 12345), (0o710, 12345), (0o640, 12345)]


MAKING = """
import os, pathlib, sys
from souche.home import Home, HomeUnwritable
os.setgid(65534)
os.setuid(65534)
try:
    Home(pathlib.Path(sys.argv[1])).make()
except HomeUnwritable as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["region", "region/new"])
def test_a_home_that_cannot_be_written_is_told_in_one_line(name: str) -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "region").mkdir()
        home = Path(folder) / name
        done = subprocess.run(
            [sys.executable, "-c", MAKING, home], capture_output=True, text=True, check=False
        )
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{home} cannot be written (Permission denied): ")


def test_a_home_that_is_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "region").touch()
    with pytest.raises(HomeUnwritable, match="Not a directory"):
        Home(tmp_path / "region").make()
