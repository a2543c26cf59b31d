"""The one door to child processes.

Every program that Souche starts is started here: an argument list (never a shell), a scrubbed environment in
the C.UTF-8 locale, standard input closed unless given, a time limit, and one log line that can be pasted into
a shell.
"""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import structlog

from souche.errors import ProgramFailed, ProgramMissing, ProgramTimedOut

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEPT_VARIABLES = (
    "HOME",
    "TMPDIR",
    "USER",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)

WATCH_SECONDS = 0.25

log = structlog.get_logger()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that a child gets: those of `KEPT_VARIABLES` that are set, PATH, the locale, and `extra`."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return kept | {"PATH": PATH, "LC_ALL": "C.UTF-8"} | dict(extra or {})


def run(
    argv: Sequence[str | Path],
    *,
    timeout_seconds: float,
    stdin: bytes | None = None,
    extra_environment: Mapping[str, str] | None = None,
    watch: Callable[[], None] | None = None,
    statuses: Collection[int] = (0,),
) -> bytes:
    """Run a program to its end and return its standard output. `watch` is called every quarter of a second while it
    runs; if it raises, the program is ended. `statuses` are those that mean success.

    Raises:
        ProgramMissing: no such program on `PATH`.
        ProgramFailed: it ended with another status; carries the last lines of standard error.
        ProgramTimedOut: it was still running after `timeout_seconds`, and was killed.
    """
    command = [str(part) for part in argv]
    log.debug("run", command=shlex.join(command))
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(extra_environment),
        )
    except FileNotFoundError as error:
        raise ProgramMissing(program=command[0]) from error
    with process:
        try:
            stdout, stderr = _communicate(process, stdin, timeout_seconds, watch)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise ProgramTimedOut(program=command[0], seconds=timeout_seconds) from error
        except BaseException:
            process.kill()
            raise
    if process.returncode not in statuses:
        last = stderr.decode(errors="replace").strip()[-2000:]
        raise ProgramFailed(program=command[0], status=process.returncode, stderr=last)
    return stdout


def _communicate(
    process: subprocess.Popen[bytes],
    stdin: bytes | None,
    timeout_seconds: float,
    watch: Callable[[], None] | None,
) -> tuple[bytes, bytes]:
    """The program's output.

    Raises:
        TimeoutExpired: it is still running.
    """
    deadline = time.monotonic() + timeout_seconds
    while watch is not None and time.monotonic() + WATCH_SECONDS < deadline:
        try:
            return process.communicate(stdin, timeout=WATCH_SECONDS)
        except subprocess.TimeoutExpired:
            watch()
    return process.communicate(stdin, timeout=max(deadline - time.monotonic(), 0))


def start(
    argv: Sequence[str | Path],
    *,
    log_file: Path,
    extra_environment: Mapping[str, str] | None = None,
    umask: int = -1,
    own_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a long-running program whose output goes to `log_file`; the caller ends it by its handle. `umask` is the
    umask of its files; -1: this process's. With `own_session` it has no terminal: it outlives the caller's terminal,
    and gets none of its signals.

    Raises:
        ProgramMissing: no such program on `PATH`.
    """
    command = [str(part) for part in argv]
    log.debug("start", command=shlex.join(command))
    with log_file.open("ab") as output:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(extra_environment),
                umask=umask,
                start_new_session=own_session,
            )
        except FileNotFoundError as error:
            raise ProgramMissing(program=command[0]) from error


def foreground(argv: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a command of the user's to its end, with exactly these variables, and with this process's terminal, input and
    output. SIGTERM and SIGHUP are passed on; SIGINT, which the terminal sends to both, is left to the command. Gives
    its status as a shell does: 128 and the number of the signal that ended it.

    Raises:
        ProgramMissing: no such program on the PATH of `variables`.
    """
    program = shutil.which(argv[0], path=variables.get("PATH", os.defpath))
    if program is None:
        raise ProgramMissing(program=argv[0])
    started: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        if started:
            started[0].send_signal(number)
        else:
            early.append(number)

    handlers: dict[int, Callable[[int, object], None]] = {signal.SIGTERM: pass_on, signal.SIGHUP: pass_on}
    handlers[signal.SIGINT] = lambda _number, _frame: None
    former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        started.append(subprocess.Popen([program, *argv[1:]], env=dict(variables)))
        for number in early:
            started[0].send_signal(number)
        status = started[0].wait()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status
