"""Runs a program on untrusted data with bubblewrap (bwrap(1)). The program can access only its input.

It has its own namespaces (no network, no other processes, only the user 65534), no capabilities, an empty root with the
system's programs and libraries read-only, and limits on memory, CPU time and files.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NOBODY: Final = "65534"
LINKS: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""in `/`: links into /usr, or real folders"""


@dataclass(frozen=True)
class Limits:
    """`memory_bytes` is of address space, `cpu_seconds` of processor time, `file_bytes` of any file that is written."""

    memory_bytes: int
    cpu_seconds: int
    file_bytes: int = 0


@dataclass(frozen=True)
class Bind:
    """A file or folder of this machine, and its path in the sandbox. Read-only unless it is `writable`, or a `device`
    that may be opened."""

    source: Path
    target: str
    writable: bool = False
    device: bool = False


def argv(command: Sequence[str], binds: Sequence[Bind], limits: Limits) -> list[str]:
    """The command that runs `command` in a sandbox. It ends with the thread that starts it."""
    return [
        *(
            "prlimit",
            f"--as={limits.memory_bytes}",
            f"--cpu={limits.cpu_seconds}",
            f"--fsize={limits.file_bytes}",
        ),
        *("--core=0", "--nofile=256", "--"),
        *(
            "bwrap",
            "--unshare-all",
            "--unshare-user",
            "--disable-userns",
            "--die-with-parent",
            "--new-session",
        ),
        *("--cap-drop", "ALL", "--uid", NOBODY, "--gid", NOBODY, "--hostname", "sandbox", "--clearenv"),
        *("--setenv", "PATH", "/usr/bin:/usr/sbin:/bin:/sbin", "--setenv", "LC_ALL", "C.UTF-8"),
        *("--ro-bind", "/usr", "/usr", *_links(), "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
        *("--proc", "/proc", "--dev", "/dev", "--perms", "0700", "--size", "1048576", "--tmpfs", "/tmp"),  # noqa: S108
        *(part for bind in binds for part in _bind(bind)),
        *("--remount-ro", "/", "--chdir", "/", "--", *command),
    ]


def _links() -> list[str]:
    """The parts of `/` that lead into /usr, as this machine has them."""
    found: list[str] = []
    for name in LINKS:
        path = Path("/") / name
        if path.is_symlink():
            found += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            found += ["--ro-bind", str(path), str(path)]
    return found


def _bind(bind: Bind) -> list[str]:
    how = "--dev-bind" if bind.device else "--bind" if bind.writable else "--ro-bind"
    return [how, os.path.realpath(bind.source), bind.target]


def interpreter() -> tuple[str, list[Bind]]:
    """This Python as a program in a sandbox, and the binds that it needs if it is not in /usr."""
    program = os.path.realpath(sys.executable)
    prefix = Path(sys.base_prefix).resolve()
    in_usr = prefix == Path("/usr") or Path("/usr") in prefix.parents
    return program, [] if in_usr else [Bind(prefix, str(prefix))]
