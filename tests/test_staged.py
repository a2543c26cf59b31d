"""What an operator's command has staged is gone when a signal ends it; after a kill nobody holds it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from souche import staged

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


def test_what_is_gone_or_a_link_is_held_by_nobody(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with staged.held(tmp_path):
        assert staged.is_held(tmp_path)
        assert not staged.is_held(tmp_path / "link")
        assert not staged.is_held(tmp_path / "gone")
