"""`souche serve --ephemeral`: the home is removed with the server, by any end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from souche.config import BadSetting, read_settings
from souche.main import ephemeral
from souche.main.destroying import destroy
from tests.support import homes
from tests.support.polling import eventually
from tests.test_main import GRACE_SECONDS, SOUCHE, souche

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
    """It arrives while the home is being removed, when no server can take it."""
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
    ],
)
def test_what_would_stay_or_is_somebodys_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        ephemeral.check(read_settings({"ephemeral": True, "compute": "simulated", **changes}, {}))


@contextmanager
def serving(home: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    """An ephemeral region whose records are in PostgreSQL."""
    argv: list[str | Path] = [
        SOUCHE,
        "serve",
        "--ephemeral",
        "--home",
        home,
        "--compute",
        "simulated",
        "--database",
        url,
    ]
    with subprocess.Popen(
        [*argv, "--listen", "127.0.0.1:0", "--oos-listen", ""], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            eventually((home / "serving.json").exists, GRACE_SECONDS)
            yield process
        finally:
            process.terminate()


def tables(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return [name for (name,) in found]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_records_in_postgresql_are_removed_too(tmp_path: Path, url: str, number: signal.Signals) -> None:
    home = tmp_path / "home"
    with serving(home, url) as process:
        assert tables(url)
        os.kill(json.loads((home / "serving.json").read_text())["ProcessId"], number)
        process.wait(GRACE_SECONDS)
    assert (home.exists(), tables(url)) == (False, [])


def test_a_home_stays_if_its_records_cannot_be_removed(tmp_path: Path, url: str) -> None:
    home = tmp_path / "home"
    with serving(home, url) as process:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE VIEW names AS SELECT name FROM accounts")
        process.terminate()
        said = process.communicate(timeout=GRACE_SECONDS)[1].splitlines()[-1]
    assert f"souche destroy --home {home}" in said
    assert "view names" in said
    with psycopg.connect(url) as connection:
        connection.execute("DROP VIEW names")
    destroy(home)
    assert (home.exists(), tables(url)) == (False, [])


def test_the_database_of_another_region_is_refused_and_stays(tmp_path: Path, url: str) -> None:
    other = homes.make(tmp_path / "other", url)
    before = homes.contents(other)
    home = tmp_path / "home"
    words = ("--home", home, "--compute", "simulated", "--listen", "127.0.0.1:0", "--database", url)
    refused = souche("serve", "--ephemeral", *words)
    assert (refused.returncode, home.exists()) == (1, False)
    assert "is not its home" in refused.stderr
    assert homes.contents(other) == before
