"""The socket by which the operator's commands ask the server: who reaches it, and what their requests do."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from souche import __version__
from souche.admin import wire
from souche.admin.listener import NOBODY, Listener
from souche.cli import server as client
from souche.cli.output import message_of
from souche.cli.server import NoAnswer, Refused, Server, ServerEnded, ServerGone
from souche.errors import Invalid
from souche.http import operator
from souche.http.server import Application, server_of
from tests.support.polling import eventually

OTHER_USER = 65534
ASKING = """
import socket, sys
asking = socket.socket(socket.AF_UNIX)
try:
    asking.connect(sys.argv[1])
    asking.sendall(b"POST /operator/v1/any HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 0\\r\\n\\r\\n")
    print("answered" if asking.recv(100) else "closed")
except PermissionError:
    print("not reached")
except (ConnectionResetError, BrokenPipeError):
    print("closed")
"""
SECONDS = 20


class BadWord(Invalid):
    """There is no word {text}."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a socket, which other users may pass through."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place) / "operator"


@contextmanager
def answering(
    folder: Path, do: operator.Do, bound: socket.socket | None = None
) -> Iterator[Callable[[], None]]:
    """A server with this one way to do actions. Gives what ends it, as a signal would. `bound` is its socket."""
    listening = bound or wire.bind(folder)
    asgi = operator.create_operator_app(do, message_of)
    bounds = operator.BOUNDS
    application = Application(asgi, listening, bounds, protocol=operator.OwnerHttp, grace_seconds=1)
    running = server_of(application)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()

    def end() -> None:
        running.should_exit = True

    try:
        yield end
    finally:
        end()
        thread.join(SECONDS)
        listening.close()


def echo(name: str, args: Sequence[Any], named: Mapping[str, Any], _listener: Listener) -> object:
    return [name, list(args), dict(named)]


def test_an_action_gets_its_arguments_and_gives_its_result(folder: Path) -> None:
    with answering(folder, echo):
        assert Server(folder).ask("words.say", ["ä", None], {"times": 2}, NOBODY) == [
            "words.say",
            ["ä", None],
            {"times": 2},
        ]


def test_progress_is_heard_before_the_result(folder: Path) -> None:
    heard: list[object] = []
    go_on = threading.Event()

    def do(_name: str, _args: Sequence[Any], _named: Mapping[str, Any], listener: Listener) -> object:
        listener.transfer("downloading", 1, None)
        assert go_on.wait(SECONDS)
        listener.step("building", 0.5)
        return len(heard)

    def hear(*said: object) -> None:
        heard.append(said)
        go_on.set()

    with answering(folder, do):
        assert Server(folder).ask("any", [], {}, Listener(transfer=hear, step=hear)) == 1
    assert heard == [("downloading", 1, None), ("building", 0.5)]


def test_a_refusal_has_its_message_and_a_fault_only_a_hint(folder: Path) -> None:
    def do(name: str, *_: object) -> object:
        if name == "refused":
            raise BadWord(text="x")
        raise ZeroDivisionError("a secret")

    with answering(folder, do):
        with pytest.raises(Refused, match="There is no word x"):
            Server(folder).ask("refused", [], {}, NOBODY)
        with pytest.raises(Refused, match=r"the log of the server says why$") as refused:
            Server(folder).ask("broken", [], {}, NOBODY)
    assert "secret" not in str(refused.value)


def test_a_command_that_goes_away_ends_waiting_and_not_work(folder: Path) -> None:
    came, gone, worked = threading.Event(), threading.Event(), threading.Event()

    def do(_name: str, _args: Sequence[Any], _named: Mapping[str, Any], listener: Listener) -> object:
        came.set()
        with pytest.raises(operator.CommandGone):
            eventually(listener.check, SECONDS)
        gone.set()
        listener.step("nobody hears it", 1.0)
        worked.set()
        return None

    with answering(folder, do):
        asking = wire.connect(folder)
        assert asking is not None
        head = f"POST {wire.PREFIX}any HTTP/1.1\r\nHost: x\r\n{wire.VERSION}: {__version__}\r\n"
        body = '{"Args": [], "Named": {}}'
        asking.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        assert came.wait(SECONDS)
        asking.close()
        assert gone.wait(SECONDS)
        assert worked.wait(SECONDS)
        assert Server(folder).is_there()


def test_a_server_that_ends_before_its_answer_is_told(folder: Path) -> None:
    ends: list[Callable[[], None]] = []

    def do(*_: object) -> object:
        ends[0]()
        threading.Event().wait(SECONDS)
        return None

    with answering(folder, do) as end:
        ends.append(end)
        with pytest.raises(ServerEnded, match="souche serve"):
            Server(folder).ask("any", [], {}, NOBODY)


def test_another_version_is_refused_in_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(folder, echo):
        monkeypatch.setattr(client, "__version__", "9.9.9")
        with pytest.raises(
            Refused, match=r"the server runs Souche 0\..* this command is from Souche 9\.9\.9"
        ):
            Server(folder).ask("any", [], {}, NOBODY)


def test_only_the_owner_enters(folder: Path) -> None:
    with answering(folder, echo):
        file = folder / wire.SOCKET
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_ISSOCK(file.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_refused_by_the_folder_and_by_the_server(folder: Path) -> None:
    with answering(folder, echo):
        file = folder / wire.SOCKET
        assert _ask_as(OTHER_USER, file) == "not reached"
        folder.chmod(0o755)
        file.chmod(0o666)
        assert _ask_as(OTHER_USER, file) == "closed"
        assert _ask_as(0, file) == "answered"


def _ask_as(user: int, file: Path) -> str:
    command = ["/usr/bin/python3", "-I", "-c", ASKING, str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, user=user, timeout=SECONDS, check=True, cwd="/"
    )
    return done.stdout.strip()


def test_a_path_that_is_too_long_for_an_address_is_reached(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "operator"
    folder.parent.mkdir()
    assert len(str(folder)) > wire.MOST_PATH_BYTES
    with answering(folder, echo):
        assert Server(folder).ask("any", [], {}, NOBODY) == ["any", [], {}]


def test_the_socket_of_a_killed_server_is_nobodys_and_is_replaced(folder: Path) -> None:
    folder.mkdir()
    lines = f"import os, socket; socket.socket(socket.AF_UNIX).bind({str(folder / wire.SOCKET)!r}); "
    dead = subprocess.run(
        [sys.executable, "-c", f"{lines}os.kill(os.getpid(), {signal.SIGKILL:d})"], check=False
    )
    assert dead.returncode == -signal.SIGKILL
    assert (folder / wire.SOCKET).is_socket()
    assert not Server(folder).is_there()
    with answering(folder, echo):
        assert Server(folder).ask("any", [], {}, NOBODY) == ["any", [], {}]


def test_a_home_without_a_server_has_no_socket(tmp_path: Path) -> None:
    assert not Server(tmp_path / "operator").is_there()
    with pytest.raises(ServerEnded):
        Server(tmp_path / "operator").ask("any", [], {}, NOBODY)


def test_a_server_that_hangs_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket is there from the moment on that it has its home: commands wait while it is starting."""
    monkeypatch.setattr(client, "BEGIN_SECONDS", 0.2)
    with wire.bind(folder):
        assert Server(folder).is_there()
        with pytest.raises(NoAnswer, match=r"within 0\.2 s"):
            Server(folder).ask("any", [], {}, NOBODY)


def test_the_head_of_an_answer_comes_while_the_action_runs(folder: Path) -> None:
    """A command gives up without a head (`BEGIN_SECONDS`), and many actions tell nothing before their end."""
    head_came = threading.Event()

    def do(*_: object) -> object:
        assert head_came.wait(SECONDS)
        return "done"

    with answering(folder, do):
        asking = wire.connect(folder)
        assert asking is not None
        asking.settimeout(SECONDS / 2)
        connection = HTTPConnection("souche")
        connection.sock = asking
        connection.request(
            "POST", f"{wire.PREFIX}any", '{"Args": [], "Named": {}}', {wire.VERSION: __version__}
        )
        answer = connection.getresponse()
        head_came.set()
        assert json.loads(answer.read()) == {wire.RESULT: "done"}
        connection.close()


def test_what_was_given_up_before_the_server_answered_is_not_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket takes requests before its server answers: one that waited in it for a start was done after it."""
    monkeypatch.setattr(client, "BEGIN_SECONDS", 0.2)
    done: list[str] = []

    def do(name: str, *_: object) -> object:
        done.append(name)
        return name

    bound = wire.bind(folder)  # it listens, and does not answer yet
    with pytest.raises(NoAnswer):
        Server(folder).ask("trash.empty", [], {}, NOBODY)
    monkeypatch.setattr(client, "BEGIN_SECONDS", SECONDS)
    with answering(folder, do, bound):
        assert Server(folder).ask("next", [], {}, NOBODY) == "next"
    assert done == ["next"]


def test_a_result_that_json_cannot_hold_is_a_fault_of_the_server(folder: Path) -> None:
    with answering(folder, lambda *_: {1, 2}), pytest.raises(Refused, match="the log of the server says why"):
        Server(folder).ask("any", [], {}, NOBODY)


def test_a_region_that_is_not_served_any_more_was_not_asked(tmp_path: Path) -> None:
    with pytest.raises(ServerGone, match="did not get the request"):
        Server(tmp_path).ask("any", [], {}, NOBODY)
