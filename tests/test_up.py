"""`souche up` and `souche down`: a region from one file, by the command itself."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from souche import run
from souche.cli import background
from souche.cli.server import Server
from souche.home import Home
from tests.support.polling import eventually

SOUCHE = str(Path(sys.executable).with_name("souche"))
EXAMPLE = Path(__file__).parent.parent / "examples/region.toml"
SECONDS = 120
REGION = """
[serve]
home = "home"
compute = "simulated"
listen = "127.0.0.1:0"
oos_listen = ""

[[accounts]]
name = "ci"
quotas = { vm_limit = 3 }

[[images]]
name = "Smoke"
tiny = true
"""


class Up:
    """The commands on a region's file, with as few variables as in a bare shell."""

    def __init__(self, file: Path) -> None:
        self.file = file
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {"PATH": path, "HOME": str(file.parent), "SOUCHE_HOME": "/nowhere"}

    def __call__(self, *words: str, status: int = 0) -> str:
        done = subprocess.run(
            [SOUCHE, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == status, done.stderr
        self.stderr = done.stderr
        return done.stdout

    def up(self, *words: str, status: int = 0) -> str:
        return self("up", str(self.file), *words, status=status)


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Up]:
    (tmp_path / "region.toml").write_text(REGION)
    made = Up(tmp_path / "region.toml")
    yield made
    background.end(Home(tmp_path / "home"), SECONDS)


def test_a_second_up_changes_nothing_and_down_ends_the_server(region: Up, tmp_path: Path) -> None:
    first = json.loads(region.up("--json"))
    assert (first["Accounts"], first["Home"]) == ("ci", str(tmp_path / "home"))
    looks = (["account", "key", "list", "ci"], ["image", "list"], ["quota", "show", "ci"])
    before = [region(*words, "--home", first["Home"]) for words in looks]
    assert "Smoke-20" in before[1]
    assert "of 3" in before[2]
    assert json.loads(region.up("--json")) == first
    assert [region(*words, "--home", first["Home"]) for words in looks] == before
    ended = json.loads(region("down", str(region.file), "--json"))
    assert ended == {"Home": first["Home"], "Ended": True}
    assert Server(Home(tmp_path / "home").operator).process() is None
    assert json.loads(region("down", str(region.file), "--json")) == {**ended, "Ended": False}
    audited = [json.loads(line) for line in (tmp_path / "home/audit.jsonl").read_text().splitlines()]
    commands = [each["command"] for each in audited if each["event"] == "command"]
    assert commands.count("up") == 2
    assert commands[-1] == "down"


def test_a_command_gets_the_variables_and_its_status_is_that_of_up(region: Up, tmp_path: Path) -> None:
    script = 'echo "$OSC_ENDPOINT_API $SOUCHE_HOME $OSC_PROFILE"; exit 7'
    region.environment["OSC_PROFILE"] = "real"
    said = region.up("--", "sh", "-c", script, status=7)
    api, home, profile = said.rstrip("\n").split(" ")
    assert api.startswith("http://127.0.0.1:")
    assert (home, profile) == (str(tmp_path / "home"), "")
    assert Server(Home(tmp_path / "home").operator).process() is None


def test_a_program_that_is_not_there_has_the_status_of_a_shell(region: Up, tmp_path: Path) -> None:
    region.up("--", "no-such-program", status=127)
    assert region.stderr.endswith("souche: There is no program 'no-such-program'.\n")
    assert Server(Home(tmp_path / "home").operator).process() is None


def test_a_server_that_was_there_stays_after_a_command(region: Up, tmp_path: Path) -> None:
    process_id = json.loads(region.up("--json"))["ProcessId"]
    region.up("--", "true")
    assert Server(Home(tmp_path / "home").operator).process() == process_id


def test_a_signal_ends_the_command_and_then_the_region(region: Up, tmp_path: Path) -> None:
    command = [SOUCHE, "up", str(region.file), "--", "sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 600"]
    with subprocess.Popen(command, env=region.environment) as up:
        eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), SECONDS)
        up.send_signal(signal.SIGTERM)
        assert up.wait(SECONDS) == 128 + signal.SIGTERM
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
    assert Server(Home(tmp_path / "home").operator).process() is None


def test_a_named_state_is_there_at_the_start(region: Up, tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    region.up("--", "true")
    region("account", "create", "extra", "--home", home)
    region("state", "save", "clean", "--home", home)
    region("account", "rename", "extra", "other", "--home", home)
    region.file.write_text(f'state = "clean"\n{REGION}')
    region.up()
    assert "extra" in region("account", "list", "--home", home)
    region.up()
    region.file.write_text(f'state = "none"\n{REGION}')
    region("down", str(region.file))
    region.up(status=1)
    assert "no state none" in region.stderr


def test_what_fails_leaves_no_server(region: Up, tmp_path: Path) -> None:
    region.file.write_text(REGION.replace("tiny = true", 'file = "none.qcow2"'))
    region.up(status=1)
    assert "There is no regular file" in region.stderr
    assert Server(Home(tmp_path / "home").operator).process() is None
    region.file.write_text(REGION.replace("127.0.0.1:0", "192.0.2.1:1"))
    region.up(status=1)
    assert "The server ended with status 1" in region.stderr
    assert "192.0.2.1" in region.stderr


def test_the_example_runs(tmp_path: Path) -> None:
    """On other ports: another region may be served on this machine. Its home goes with its server."""
    region = Up(tmp_path / "region.toml")
    region.file.write_text(EXAMPLE.read_text())
    region.environment |= {"SOUCHE_LISTEN": "127.0.0.1:0", "SOUCHE_OOS_LISTEN": ""}
    look = 'echo "$OSC_ACCESS_KEY"; souche image list; souche account list'
    said = region.up("--", "sh", "-c", look)
    assert said.startswith("CIACCESSKEY000000000\n")
    assert "Smoke-20" in said
    assert "auditor" in said
    assert not (tmp_path / ".region").exists()


def test_a_status_of_a_command_is_a_shells() -> None:
    assert run.foreground(["sh", "-c", "exit 3"], {"PATH": os.environ["PATH"]}) == 3
    assert run.foreground(["sh", "-c", "kill -9 $$"], {"PATH": os.environ["PATH"]}) == 137
