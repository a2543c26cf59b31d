"""A command removes its staged files when a signal ends it; after a kill no process holds them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from souche import staged
from souche.recipes.debian_root import NAMESPACES

COMMAND = """
import signal, sys
from pathlib import Path
from souche import staged
from souche.main.administration import administer

with administer(Path(sys.argv[1]), make=True) as region, staged.folder(region.staging) as folder:
    (folder / "half").write_text("a disk")
    print(folder, flush=True)
    signal.pause()
"""


def ended(home: Path, number: signal.Signals) -> tuple[int, Path]:
    """The status of a command that a signal ends amid its work, and the folder that it had made."""
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, home], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert (folder / "half").exists()
        assert staged.is_held(folder)
        process.send_signal(number)
        return process.wait(30), folder


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_a_signal_ends_leaves_nothing_staged(number: signal.Signals, tmp_path: Path) -> None:
    status, _ = ended(tmp_path / "home", number)
    assert status == 128 + number
    assert list((tmp_path / "home" / "staging").iterdir()) == []


def test_what_a_killed_command_leaves_is_held_by_nobody(tmp_path: Path) -> None:
    """The server's next sweep removes it: tests/reconcile/test_leftovers.py."""
    _, folder = ended(tmp_path / "home", signal.SIGKILL)
    assert (folder / "half").exists()
    assert not staged.is_held(folder)


REMOVAL = """
import subprocess, sys
from pathlib import Path
from souche import staged

folder, precious = map(Path, sys.argv[1:])
subprocess.run(["mount", "--bind", precious, folder / "system/dév shm"], check=True)
assert staged.mounts_below(folder) == [str(folder / "system/dév shm")]
staged.remove(folder)
assert (folder / "system").exists()
subprocess.run(["umount", folder / "system/dév shm"], check=True)
staged.remove(folder)
assert not folder.exists()
"""


def test_a_folder_with_something_mounted_in_it_is_left(tmp_path: Path) -> None:
    """mmdebstrap mounts this machine's own /dev/shm in what it makes."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("of others")
    (tmp_path / "folder" / "system" / "dév shm").mkdir(parents=True)
    private = ["unshare", "--mount", "--propagation", "private", "--"]
    places = [tmp_path / "folder", tmp_path / "precious"]
    subprocess.run([*private, sys.executable, "-c", REMOVAL, *places], check=True)
    assert (tmp_path / "precious" / "file").read_text() == "of others"


def test_what_mmdebstrap_mounts_and_starts_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    mounting = f"mount --bind {tmp_path} {tmp_path}/folder && echo $$ && exec sleep 60"
    with subprocess.Popen([*NAMESPACES, "sh", "-c", mounting], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "1"
        assert staged.mounts_below(tmp_path) == []
        process.kill()
        assert process.stdout.read() == ""  # the child that had it open is gone too


def test_what_is_gone_or_a_link_is_held_by_nobody(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with staged.held(tmp_path):
        assert staged.is_held(tmp_path)
        assert not staged.is_held(tmp_path / "link")
        assert not staged.is_held(tmp_path / "gone")


def test_what_may_not_be_looked_at_counts_as_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a file of another user's."""

    def refused(*_given: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refused)
        assert staged.is_held(tmp_path)
    assert not staged.is_held(tmp_path)


def test_what_is_handed_on_is_held_beside_its_folder(tmp_path: Path) -> None:
    with staged.folder(tmp_path) as folder:
        (folder / "disk").write_text("a disk")
        with staged.handed_on(folder / "disk") as path:
            assert (path.parent, path.read_text(), staged.is_held(path)) == (tmp_path, "a disk", True)
    assert list(tmp_path.iterdir()) == [path]
    assert not staged.is_held(path)


@pytest.mark.parametrize(("error", "left"), [(ValueError, 0), (KeyboardInterrupt, 1)])
def test_what_is_handed_on_is_removed_where_it_is_refused(
    tmp_path: Path, error: type[BaseException], left: int
) -> None:
    """Where a signal comes, the operation may be recorded already."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "disk").touch()
    with pytest.raises(error), staged.handed_on(tmp_path / "folder" / "disk"):
        raise error
    assert len([path for path in tmp_path.iterdir() if path.is_file()]) == left
