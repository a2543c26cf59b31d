"""How commands tell their results and their errors."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import typer

from souche.errors import SoucheError


@contextmanager
def told() -> Iterator[None]:
    """An error of ours, and what the system says of a file, is one line on standard error, and status 1."""
    try:
        yield
    except SoucheError as error:
        print(f"souche: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    except OSError as error:
        if error.filename is None:
            raise
        print(f"souche: {error.filename}: {error.strerror}", file=sys.stderr)
        raise typer.Exit(1) from error


def show(facts: Mapping[str, object], *, as_json: bool) -> None:
    """Print facts: as one JSON object, or a line each."""
    if as_json:
        print(json.dumps(dict(facts)))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")
