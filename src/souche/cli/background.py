"""A server in the background: started and waited for, and ended by the process that has its socket."""

import os
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from souche.cli import asking
from souche.cli.composition import Composition, Started
from souche.cli.server import Server
from souche.cli.wait import PAUSE_SECONDS, unanswered
from souche.errors import SystemFailure
from souche.home import Home

SHOWN_BYTES: Final = 2000


class ServerFailed(SystemFailure):
    """The server ended with status {status}. The end of its log, {log}: {text}"""


class NotReady(SystemFailure):
    """The server does not answer after {seconds:g} s: {reason}. Its log: {log}"""


class StillThere(SystemFailure):
    """The server (process {process_id}) has not ended after {seconds:g} s."""


def log_of(home: Home) -> Path:
    """The log file of a server in the background: beside the home, because the home may be removed with its server."""
    return home.path.with_name(f"{home.path.name}.log")


def begin(composition: Composition, home: Home, words: Sequence[str], seconds: float) -> None:
    """Start `souche` with these words, and wait until the region answers; a server that does not in time is ended.

    Raises:
        ServerFailed, NotReady. OSError: the log cannot be written.
    """
    log = log_of(home)
    log.parent.mkdir(parents=True, exist_ok=True)
    process = composition.start(words, log)
    try:
        wait(home, seconds, process)
    except BaseException:
        process.terminate()
        process.wait()
        raise


def wait(home: Home, seconds: float, process: Started | None = None) -> None:
    """Wait until the region answers. `process`: that of its server, if it was started here.

    Raises:
        ServerFailed, NotReady.
    """
    deadline = time.monotonic() + seconds
    log = log_of(home)
    while reason := _silent(home):
        if process is not None and process.poll() is not None:
            raise ServerFailed(status=process.returncode, log=log, text=_tail(log))
        if time.monotonic() >= deadline:
            raise NotReady(seconds=seconds, reason=reason, log=log)
        time.sleep(PAUSE_SECONDS)


def end(home: Home, seconds: float) -> bool:
    """End the server of a home, and wait until it has ended. False if none runs.

    The process is the one that listens on the home's socket. Its descriptor is opened while it listens, so no other
    process with a reused id can get the signal.

    Raises:
        StillThere. PermissionError: it is another user's.
    """
    server = Server(home.operator)
    while (process_id := server.process()) is not None:
        try:
            descriptor = os.pidfd_open(process_id)
        except ProcessLookupError:
            continue
        try:
            if server.process() != process_id:
                continue
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            ended = select.poll()
            ended.register(descriptor, select.POLLIN)
            if not ended.poll(seconds * 1000):
                raise StillThere(process_id=process_id, seconds=seconds)
        finally:
            os.close(descriptor)
        return True
    return False


def wait_gone(home: Home, seconds: float) -> None:
    """Wait until the home of an ephemeral region is removed with its server. A home that exists afterwards is another
    region's."""
    deadline = time.monotonic() + seconds
    while home.path.exists() and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)


def _silent(home: Home) -> str | None:
    """Why nobody answers; None if the server that has the home's socket answers."""
    process_id, facts = Server(home.operator).process(), home.server_facts()
    if process_id is None or facts.get("ProcessId") != process_id:
        return "it does not listen yet"
    return unanswered(asking.beside_api(facts, "/api"))


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - SHOWN_BYTES))
        return file.read().decode(errors="replace").strip()
