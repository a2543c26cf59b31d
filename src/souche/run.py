"""The one door to child processes.

Every program that Souche starts is started here: an argument list (never a shell), a scrubbed environment in
the C.UTF-8 locale, standard input closed unless given, a time limit, and one log line that can be pasted into
a shell.
"""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
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
) -> bytes:
    """Run a program to its end and return its standard output.

    Raises:
        ProgramMissing: no such program on `PATH`.
        ProgramFailed: it ended with another status than 0; carries the last lines of standard error.
        ProgramTimedOut: it was still running after `timeout_seconds`, and was killed.
    """
    command = [str(part) for part in argv]
    log.debug("run", command=shlex.join(command))
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=environment(extra_environment),
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise ProgramMissing(program=command[0]) from error
    except subprocess.TimeoutExpired as error:
        raise ProgramTimedOut(program=command[0], seconds=timeout_seconds) from error
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip()[-2000:]
        raise ProgramFailed(program=command[0], status=done.returncode, stderr=last)
    return done.stdout


def start(
    argv: Sequence[str | Path],
    *,
    log_file: Path,
    extra_environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a long-running program whose output goes to `log_file`; the caller ends it by its handle.

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
            )
        except FileNotFoundError as error:
            raise ProgramMissing(program=command[0]) from error
