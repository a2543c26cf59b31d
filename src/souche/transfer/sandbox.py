"""Where a program reads a file that nobody vouches for: without network, without any other file, in bounds of memory,
of the length of what it writes, and of time (bubblewrap, prlimit)."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from souche import run
from souche.errors import ProgramFailed, SystemFailure

PROGRAM: Final = "bwrap"
MEMORY_BYTES: Final = 2 * 1024**3
SOURCE: Final = "/disk"
TARGET: Final = "/target"
PROBE_SECONDS: Final = 20
SYSTEM_FOLDERS: Final = ("lib", "lib32", "lib64", "bin", "sbin")


def argv(
    command: Sequence[str], source: Path, target: Path | None = None, *, most_written_bytes: int = 0
) -> list[str]:
    """The command line of a program that sees `source` as `SOURCE`, and writes to `target` as `TARGET`: two files.

    It ends with its starter. It has no capability, whoever starts it."""
    given = ["--ro-bind", str(source.absolute()), SOURCE]
    if target is not None:
        given += ["--bind", str(target.absolute()), TARGET]
    return [
        *("prlimit", f"--as={MEMORY_BYTES}", f"--fsize={most_written_bytes}", "--core=0", "--"),
        *(PROGRAM, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
        *("--setenv", "LC_ALL", "C.UTF-8", "--setenv", "PATH", run.PATH),
        *("--ro-bind", "/usr", "/usr", *_links(), "--proc", "/proc", "--dev", "/dev"),
        *(*given, "--chdir", "/", "--"),
        *command,
    ]


def _links() -> list[str]:
    """What lies in /usr and is looked for in /; a folder of its own where /usr is not merged."""
    found: list[str] = []
    for name in SYSTEM_FOLDERS:
        path = Path("/", name)
        if path.is_symlink():
            found += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            found += ["--ro-bind", str(path), str(path)]
    return found


def run_in(
    command: Sequence[str],
    source: Path,
    target: Path | None = None,
    *,
    most_written_bytes: int = 0,
    timeout_seconds: float,
    watch: Callable[[], None] | None = None,
) -> bytes:
    """Run a program there to its end, and return what it says; raises as `run.run` does."""
    line = argv(command, source, target, most_written_bytes=most_written_bytes)
    return run.run(line, timeout_seconds=timeout_seconds, watch=watch)


def problem(program_path: str = run.PATH) -> str | None:
    """Why nothing can be run there on this machine; None: it can."""
    if shutil.which(PROGRAM, path=program_path) is None:
        return f"no {PROGRAM} in {program_path}"
    try:
        run_in(["true"], Path(os.devnull), timeout_seconds=PROBE_SECONDS)
    except ProgramFailed as error:
        return str(error.fields["stderr"]) or str(error)
    except SystemFailure as error:
        return str(error)
    return None
