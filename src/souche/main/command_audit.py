"""The audit line of a command: the user, the command, the region, and the outcome.

It has the words of the command, and those of its arguments that are short names or ids. URLs, which may be signed, and
files are left out. No command takes a secret as an argument.
"""

import os
import pwd
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from souche import toml_file

if TYPE_CHECKING:
    import typer

SILENT: Final = frozenset({"api", "config", "doctor", "info", "serve", "wait"})
"""commands that change nothing, or have no region yet; requests to a server have their own lines"""
WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,38}")
"""At most 39 characters: a secret key has 40."""
HOME_FLAG: Final = "--home"
OF_FILE: Final = frozenset({"down", "up"})
"""commands that take their region from a file"""
END_OF_WORDS: Final = "--"
"""Precedes the user's own command, which may contain secrets."""


@contextmanager
def recorded(app: "typer.Typer", words: Sequence[str]) -> Iterator[None]:
    """Write the line of a command when it ends, if it is for a region."""
    began, status = time.perf_counter(), 1
    try:
        yield
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        home = _home(words)
        if home is not None and words and words[0] not in SILENT and "--help" not in words:
            _record(home, app, words, status, time.perf_counter() - began)


def _home(words: Sequence[str]) -> Path | None:
    """The region's folder, if one was served or made there, and the user may see it."""
    words = [*takewhile(lambda word: word != END_OF_WORDS, words)]
    if words and words[0] in OF_FILE:
        return next((home for home in map(_of_file, words[1:]) if home and _is_region(home)), None)
    named = [word.partition("=")[2] for word in words if word.startswith(f"{HOME_FLAG}=")]
    named += [after for word, after in pairwise(words) if word == HOME_FLAG]
    path = named[-1] if named else os.environ.get("SOUCHE_HOME")
    return Path(path).resolve() if path and _is_region(Path(path)) else None


def _is_region(path: Path) -> bool:
    try:
        return any((path / name).exists() for name in ("region-id", "region.sqlite"))
    except OSError:  # it lies below a folder that the user may not enter
        return False


def _of_file(word: str) -> Path | None:
    """The home that the file of a region names, if the word is one."""
    try:
        home: str = toml_file.read(Path(word))["serve"]["home"]
        return Path(word).parent.joinpath(home).resolve()
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record(home: Path, app: "typer.Typer", words: Sequence[str], status: int, seconds: float) -> None:
    from souche.home import Home
    from souche.main import auditing

    command, rest = _command(app, words)
    facts = {
        "event": "command",
        "command": " ".join(command),
        "arguments": [
            word for word in map(_plain, takewhile(lambda word: word != END_OF_WORDS, rest)) if word
        ],
        "user": _user(),
        "sudo_user": os.environ.get("SUDO_USER"),
        "process_id": os.getpid(),
        "status": status,
        "milliseconds": round(seconds * 1000),
    }
    try:
        audit = auditing.open_told(Home(home))
        if audit is not None:
            audit(facts)
            audit.close()
    except OSError as error:
        sys.stderr.write(f"souche: the audit log has no line of this command: {error}\n")


def _command(app: "typer.Typer", words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that name a command in the tree, and the rest."""
    import typer.main

    command: Any = typer.main.get_command(app)
    path: list[str] = []
    rest = list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        path.append(rest.pop(0))
        below = command.commands[path[-1]]
        command = getattr(below, "loaded", below)
    return path, rest


def _plain(word: str) -> str:
    """The part of an argument that may be logged: a flag without its value, or a name."""
    if word.startswith("-"):
        return word.partition("=")[0]
    return word if WORD.fullmatch(word) else ""


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
