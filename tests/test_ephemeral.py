"""`souche serve --ephemeral`: the home goes with the server, whatever ends it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from souche.config import BadSetting, read_settings
from souche.main import ephemeral
from tests.support.polling import eventually

SERVED = """
import os, sys, signal, time
from pathlib import Path
from souche.main.ephemeral import supervise
home = Path(sys.argv[1])
supervise(home)
{first}
(home / "served").write_text(str(os.getpid()))
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))  # as the server: an interpreter's end would lift the handler
print("ready", flush=True)
signal.pause()
"""


def begun(home: Path, first: str = "") -> subprocess.Popen[str]:
    """Something that is served, and its supervisor, which is the process."""
    command = [sys.executable, "-c", SERVED.format(first=first), str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_server_and_the_home_is_gone(tmp_path: Path, number: signal.Signals) -> None:
    with begun(tmp_path / "home") as process:
        ready(process)
        process.send_signal(number)
        assert process.wait(20) == 7
        assert not (tmp_path / "home").exists()


def test_a_second_signal_does_not_keep_the_home(tmp_path: Path) -> None:
    """It comes while the home is being removed: there is nobody to pass it on to."""
    many = "[(home / f'{n}').mkdir() for n in range(3000)]"
    with begun(tmp_path / "home", many) as process:
        ready(process)
        for _ in range(200):
            process.terminate()
        assert process.wait(20) == 7
        assert not (tmp_path / "home").exists()


def test_a_signal_that_is_ignored_at_the_start_stays_so(tmp_path: Path) -> None:
    """As SIGHUP under nohup."""
    program = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{SERVED.format(first='')}"
    command = [sys.executable, "-c", program, str(tmp_path / "home")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        ready(process)
        process.send_signal(signal.SIGHUP)
        assert Path(f"/proc/{process.pid}").exists()
        process.terminate()
        assert process.wait(20) == 7


def test_the_home_of_a_server_that_was_killed_is_gone(tmp_path: Path) -> None:
    with begun(tmp_path / "home") as process:
        ready(process)
        os.kill(int((tmp_path / "home/served").read_text()), signal.SIGKILL)
        process.wait(20)
        assert not (tmp_path / "home").exists()


def test_a_server_that_fails_gives_its_status(tmp_path: Path) -> None:
    with begun(tmp_path / "home", "sys.exit(3)") as process:
        assert process.wait(20) == 3
        assert not (tmp_path / "home").exists()


def test_a_server_does_not_outlive_its_supervisor(tmp_path: Path) -> None:
    with begun(tmp_path / "home") as process:
        ready(process)
        served = int((tmp_path / "home/served").read_text())
        process.kill()
        eventually(lambda: not Path(f"/proc/{served}").exists())


def test_the_home_has_a_name_of_its_own_unless_one_is_given(tmp_path: Path) -> None:
    given = {"ephemeral": True, "compute": "simulated"}
    first, second = (read_settings(given, {}).home for _ in range(2))
    assert first != second
    assert not first.exists()
    assert read_settings({**given, "home": tmp_path / "h"}, {}).home == tmp_path / "h"
    assert read_settings({"compute": "simulated"}, {"SOUCHE_EPHEMERAL": "1"}).ephemeral


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"home": Path("/")}, "exists already"),
        ({"compute": "libvirt"}, "guests of libvirt would stay"),
        ({"database": "postgresql://me@127.0.0.1/x"}, "PostgreSQL would stay"),
    ],
)
def test_what_would_stay_or_is_somebodys_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        ephemeral.check(read_settings({"ephemeral": True, "compute": "simulated", **changes}, {}))
