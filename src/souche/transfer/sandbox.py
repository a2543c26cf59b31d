"""A sandbox (`souche.sandbox`) for a program that reads an untrusted disk and writes another file."""

import math
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from souche import run, sandbox
from souche.errors import ProgramFailed, SystemFailure
from souche.room import GIB
from souche.sandbox import Bind, Limits

PROGRAM: Final = "bwrap"
MEMORY_BYTES: Final = 2 * GIB
SOURCE: Final = "/disk"
TARGET: Final = "/target"
PROBE_SECONDS: Final = 20


def argv(
    command: Sequence[str],
    source: Path,
    target: Path | None = None,
    *,
    most_written_bytes: int = 0,
    timeout_seconds: float,
) -> list[str]:
    """The command line of a program that sees `source` as `SOURCE`, and writes to `target` as `TARGET`.
    `timeout_seconds` also bounds its processor time, for every processor of this machine."""
    binds = [Bind(source, SOURCE)]
    if target is not None:
        binds.append(Bind(target, TARGET, writable=True))
    cpu_seconds = math.ceil(timeout_seconds) * (os.cpu_count() or 1)
    return sandbox.argv(command, binds, Limits(MEMORY_BYTES, cpu_seconds, most_written_bytes))


def run_in(
    command: Sequence[str],
    source: Path,
    target: Path | None = None,
    *,
    most_written_bytes: int = 0,
    timeout_seconds: float,
    watch: Callable[[], None] | None = None,
) -> bytes:
    """Run a program in the sandbox, and return its output. Raises as `run.run` does."""
    line = argv(
        command, source, target, most_written_bytes=most_written_bytes, timeout_seconds=timeout_seconds
    )
    return run.run(line, timeout_seconds=timeout_seconds, watch=watch)


def problem(program_path: str = run.PATH) -> str | None:
    """The reason why this machine has no sandbox; None: it has one."""
    if shutil.which(PROGRAM, path=program_path) is None:
        return f"no {PROGRAM} in {program_path}"
    try:
        run_in(["true"], Path(os.devnull), timeout_seconds=PROBE_SECONDS)
    except ProgramFailed as error:
        return str(error.fields["stderr"]) or str(error)
    except SystemFailure as error:
        return str(error)
    return None
