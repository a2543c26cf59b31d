"""How commands print their results and their errors."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import typer

from souche.cli.words import WORDS
from souche.errors import SoucheError


@contextmanager
def errors_shown() -> Iterator[None]:
    """Prints Souche's errors, and the system's errors about a file, as one line on standard error; exits with status
    1."""
    try:
        yield
    except (SoucheError, OSError) as error:
        message = message_of(error)
        if message is None:
            raise
        print(f"souche: {plain_lines(message)}", file=sys.stderr)
        raise typer.Exit(1) from error


def message_of(error: Exception) -> str | None:
    """The message of one of Souche's errors, or of the system's about a file; None: the error is a fault."""
    if isinstance(error, SoucheError):
        return in_words(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return None


def in_words(error: Exception) -> str:
    """The whole message of an error, in the words of the command line."""
    return WORDS.fill(error.worded(WORDS)) if isinstance(error, SoucheError) else str(error)


def show(facts: Mapping[str, object], *, as_json: bool) -> None:
    """Print facts: as one JSON object, or a line each."""
    if as_json:
        print(json.dumps(dict(facts)))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {in_a_table(value)}")


def show_if_json(facts: Mapping[str, object], *, as_json: bool) -> None:
    """Print the facts of what was changed or removed, for programs; a person is told nothing."""
    if as_json:
        show(facts, as_json=True)


def in_a_table(value: object) -> str:
    """A value for people: `-` if there is none, `yes` or `no`, otherwise as `plain`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else plain(value)


def plain(value: object) -> str:
    """A value as a terminal may show it: texts of disks, manifests and accounts neither move its cursor nor begin
    another line."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def plain_lines(text: str) -> str:
    """As `plain`, line by line."""
    return "\n".join(map(plain, text.splitlines()))
