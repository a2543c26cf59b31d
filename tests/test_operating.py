"""The operator's commands with a server, which executes them, and without one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from souche.admin import catalogue
from souche.home import Home
from tests.cli.test_imports import COUNTED, HEAVY
from tests.support.polling import eventually
from tests.test_main import GRACE_SECONDS, SOUCHE, Served, blocked_disks, serving, souche

MOST_MODULES: Final = 600
"""of a command that asks the server: typer, rich, structlog and an HTTP client have some 500"""
AUDITED: Final = "structlog"
"""The command's line in the audit log takes it."""

WATCHED = """
import sys
from pathlib import Path

def note(event, arguments):
    if event == "sqlite3.connect":
        print("DATABASE", arguments[0], file=sys.stderr)

sys.addaudithook(note)
sys.argv[0] = "souche"
from souche.main import cli
cli()
"""


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    home = tmp_path_factory.mktemp("operating") / "home"
    with serving(home, "--oos-listen", "") as served:
        yield home, served


def run(home: Path, *words: str) -> tuple[list[dict[str, Any]], bool]:
    """What a command that succeeds tells, as JSON, an object a line; and whether it opened a database."""
    end = 3 if words[:2] == ("account", "key") else 2
    line = [*words[:end], "--home", str(home), *words[end:], "--json"]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *line], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(each) for each in done.stdout.splitlines()], "DATABASE" in done.stderr


def test_the_server_does_what_commands_ask_and_they_open_no_database(region: tuple[Path, Served]) -> None:
    home, served = region
    (made,), opened = run(home, "account", "create", "alice")
    assert not opened
    assert served.call(made, "ReadVms")["Vms"] == []
    (shown,), opened = run(home, "account", "show", "alice")
    assert (shown["AccountId"], opened) == (made["AccountId"], False)
    (other,), opened = run(home, "account", "key", "create", "alice")
    assert not opened
    assert served.call(other, "ReadVms")["Vms"] == []
    quotas, opened = run(home, "quota", "show", "alice")
    assert {each["Name"] for each in quotas} >= {"image_limit", "vm_limit"}
    assert not opened


@pytest.fixture(scope="module")
def published(region: tuple[Path, Served]) -> tuple[dict[str, Any], bool]:
    """An image that a command published beside the server, and whether the command opened a database."""
    home, _ = region
    disk = home.with_name("disk.raw")
    disk.write_bytes(bytes(510) + b"\x55\xaa" + bytes(1024 * 1024 - 512))
    run(home, "account", "create", "vendor")
    words = ("--name", "Small", "--account", "vendor", "--no-verify")
    (image,), opened = run(home, "image", "publish", str(disk), *words)
    return image, opened


def test_a_disk_is_published_by_the_server(
    region: tuple[Path, Served], published: tuple[dict[str, Any], bool]
) -> None:
    home, _ = region
    image, opened = published
    assert not opened
    (listed,), opened = run(home, "image", "list", "--family", "Small")
    assert (listed["ImageId"], listed["State"], opened) == (image["ImageId"], "available", False)
    assert list((home / "staging").iterdir()) == []


def test_consoles_of_simulated_vms_are_refused_and_a_token_is_in_no_log(
    region: tuple[Path, Served], published: tuple[dict[str, Any], bool], tmp_path: Path
) -> None:
    home, served = region
    (vendor,), _ = run(home, "account", "key", "create", "vendor")
    launched = served.call(vendor, "CreateVms", ImageId=published[0]["ImageId"])["Vms"][0]["VmId"]

    def is_running() -> bool:
        (vm,) = served.call(vendor, "ReadVms", Filters={"VmIds": [launched]})["Vms"]
        return bool(vm["State"] == "running")

    eventually(is_running, 60)
    for command in ("console", "screenshot"):
        assert "guests are simulated" in souche("vm", command, launched, "--home", home).stderr
    made = served.call(vendor, "CreateConsoleToken", VmId=launched)["ConsoleToken"]
    file = tmp_path / "token"
    file.write_text(made["Token"])
    for said in ("guests are simulated", "it is invalid, expired, used"):
        assert said in souche("vm", "console", "--token-file", file, "--home", home).stderr
    logs = (home / "audit.jsonl").read_text() + served.errors.read_text()
    assert "CreateConsoleToken" in logs
    assert made["Token"] not in logs


STEPS: Final = [
    (("image", "show", "IMAGE"), {"ImageId", "OwnBytes", "SnapshotIds", "Packages"}),
    (("image", "list", "--all"), {"ImageId", "Account"}),
    (("image", "origins", "IMAGE"), {"ImageId"}),
    (("image", "attributes", "IMAGE", "--performance", "high"), {"ImageId", "Performance"}),
    (("image", "uses", "IMAGE"), {"ImageId", "Shares"}),
    (("image", "check", "IMAGE", "--wait"), {"ImageId", "State", "Findings"}),
    (("image", "adopt", "IMAGE", "--account", "buyer", "--name", "Copy"), {"ImageId", "ImageName"}),
    (("alias", "set", "small@stable", "IMAGE"), {"AliasName", "History"}),
    (("alias", "history", "small@stable"), {"ImageId", "Date"}),
    (("image", "deprecate", "IMAGE", "--on", "2099-01-01"), {"ImageId", "DeprecatedOn"}),
    (("image", "undo", "IMAGE"), {"ImageId", "DeprecatedOn"}),
    (("image", "withdraw", "IMAGE", "--now", "--reason", "old"), {"ImageId", "WithdrawnOn"}),
]
"""Actions on an image, and the names in their progress."""


def test_the_server_tells_what_commands_show(
    region: tuple[Path, Served], published: tuple[dict[str, Any], bool]
) -> None:
    image_id = published[0]["ImageId"]
    run(region[0], "account", "create", "buyer")
    for words, names in STEPS:
        told, opened = run(region[0], *(image_id if word == "IMAGE" else word for word in words))
        assert not opened, words
        assert told, words
        assert all(names <= set(each) for each in told), words


@pytest.mark.parametrize(
    "words",
    [
        ("trash", "list"),
        ("marketplace", "list"),
        ("export", "list"),
        ("alias", "list"),
        ("vm", "list"),
        ("snapshot", "list"),
        ("bucket", "list"),
        ("image", "update", "--all"),
    ],
)
def test_lists_come_from_the_server(region: tuple[Path, Served], words: tuple[str, ...]) -> None:
    assert not run(region[0], *words)[1]


@pytest.mark.parametrize(
    "words", [("account", "list"), ("image", "list"), ("vm", "list"), ("usage",), ("trash", "list")]
)
def test_a_command_that_asks_the_server_imports_nothing_that_does_the_work(
    region: tuple[Path, Served], words: tuple[str, ...]
) -> None:
    line = [*words, "--home", str(region[0])]
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, *line], capture_output=True, text=True, timeout=120, check=True
    )
    modules = done.stderr.split()
    imported = {module.partition(".")[0] for module in modules}
    assert sorted((HEAVY - {AUDITED}) & imported) == []
    assert len(modules) < MOST_MODULES


def test_the_catalogue_finds_actions_and_nothing_else() -> None:
    """The server refuses any other name as an action of another version."""
    folder = Path(catalogue.__file__).parent
    with_actions = {each.stem for each in folder.glob("*.py") if "\n@action\n" in each.read_text()}
    assert {"accounts", "images"} < with_actions < catalogue.MODULES
    assert catalogue.find("accounts.every") is not None
    assert catalogue.find("..accounts.every") is None
    assert catalogue.find("no_such_module.every") is None
    assert catalogue.find("__init__.every") is None
    assert catalogue.find("accounts.Account") is None
    assert catalogue.find("listener.NOBODY") is None


def test_what_the_server_refuses_is_said_as_without_it(region: tuple[Path, Served], tmp_path: Path) -> None:
    home, _ = region
    souche("account", "create", "bob", "--home", tmp_path / "other")
    online = souche("account", "show", "nobody", "--home", home)
    offline = souche("account", "show", "nobody", "--home", tmp_path / "other")
    assert online.returncode == offline.returncode == 1
    assert online.stderr == offline.stderr
    assert "no account 'nobody'" in online.stderr


def test_an_interrupted_command_ends_and_the_servers_work_goes_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bytes(510) + b"\x55\xaa" + bytes(1024 * 1024 - 512))
    with serving(home, "--oos-listen", ""):
        with blocked_disks(home):
            publishing: list[str | Path] = [
                "image",
                "publish",
                disk,
                "--name",
                "Small",
                "--no-verify",
                "--home",
                home,
            ]
            command = subprocess.Popen([SOUCHE, *publishing], stderr=subprocess.PIPE)
            eventually(lambda: [each["State"] for each in run(home, "image", "list")[0]] == ["pending"], 60)
            command.send_signal(signal.SIGINT)
            _, errors = command.communicate(timeout=GRACE_SECONDS)
            assert command.returncode != 0
            assert b"Traceback" not in errors
        eventually(lambda: [each["State"] for each in run(home, "image", "list")[0]] == ["available"], 60)


def test_without_a_server_the_command_works_by_itself(tmp_path: Path) -> None:
    home = tmp_path / "home"
    _, opened = run(home, "account", "create", "alice")
    assert opened
    with serving(home, "--oos-listen", "") as served:
        assert not run(home, "account", "list")[1]
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(GRACE_SECONDS) == 0
    assert not (Home(home).operator / "operator.sock").exists()
    (alice,), opened = run(home, "account", "list")
    assert (alice["Name"], opened) == ("alice", True)


def test_a_server_of_an_earlier_version_has_no_socket_and_is_left_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    souche("account", "create", "alice", "--home", home.path)
    home.record_facts({"ProcessId": os.getpid()})
    with home.serve():
        refused = souche("account", "list", "--home", home.path)
    assert refused.returncode == 1
    assert f"process {os.getpid()}" in refused.stderr
    assert "Restart" in refused.stderr
    assert souche("account", "list", "--home", home.path).returncode == 0


def test_beside_a_server_that_ends_the_command_works_by_itself(tmp_path: Path) -> None:
    """Its socket is closed first, and the last requests have some seconds then."""
    home = Home(tmp_path / "home")
    souche("account", "create", "alice", "--home", home.path)
    home.record_facts({"ProcessId": os.getpid(), "Operator": str(home.operator)})
    with home.serve():
        listed = souche("account", "list", "--home", home.path)
    assert (listed.returncode, listed.stderr) == (0, "")
