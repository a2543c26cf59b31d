"""Notifications to a service manager, and the unit for systemd."""

import configparser
import os
import shlex
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import typer.main
from starlette.types import Receive, Scope, Send

from souche.cli import commands
from souche.http import server
from souche.http.server import Application
from souche.main import command_line, service
from tests.test_main import serving

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "packaging" / "systemd" / "souche.service"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


def test_a_region_tells_when_it_is_ready_and_when_it_stops(
    manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(service.VARIABLE, manager.getsockname())
    with serving(tmp_path / "home") as served:
        assert manager.recv(1024) == b"READY=1"
        served.process.terminate()
        assert manager.recv(1024) == b"STOPPING=1"
        assert served.process.wait(60) == 0


def test_readiness_is_told_once_signals_are_heard() -> None:
    """A server that was stopped in the moment after it was ready died of the signal, and left its log as it was."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server.run([Application(_app, listening)], lambda: os.kill(os.getpid(), signal.SIGTERM))


async def _app(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Answers nothing."""


def test_an_abstract_socket_is_told_too() -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind("")  # the kernel chooses a name
        place = "@" + listening.getsockname()[1:].decode()
        service.notify(service.READY, {service.VARIABLE: place})
        assert listening.recv(1024) == b"READY=1"


def test_without_a_manager_that_listens_nothing_happens(tmp_path: Path) -> None:
    service.notify(service.READY, {})
    service.notify(service.READY, {service.VARIABLE: str(tmp_path / "nobody")})


def test_the_unit_starts_a_command_that_there_is() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as configparser's documentation has it
    unit.read_string(UNIT.read_text())
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert Path(program).name == "souche"
    root = typer.main.get_command(commands.build(command_line.composition()))
    context = root.make_context("souche", list(words), resilient_parsing=True)
    name, command, rest = root.resolve_command(context, words)  # type: ignore[attr-defined]  # a group
    assert (name, rest) == ("serve", ["--config", "/etc/souche/souche.toml"])
    assert {each.name for each in command.params} >= {"config"}
    assert unit["Service"]["Type"] == "notify"


@pytest.mark.parametrize(
    "option",
    [
        "PrivateDevices",
        "PrivateUsers",
        "ProtectClock",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelTunables",
        "ProtectProc",
        "RestrictNamespaces",
        "RestrictSUIDSGID",
    ],
)
def test_the_unit_closes_nothing_that_a_sandbox_or_a_guest_needs(option: str) -> None:
    """bubblewrap 0.8 calls sethostname, and mounts a new /proc: refused where parts of the present one are hidden."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read_string(UNIT.read_text())
    assert option not in unit["Service"]
