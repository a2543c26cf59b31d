"""souche wait"""

import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit

import typer

from souche.cli import asking
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, show_if_json
from souche.errors import SystemFailure
from souche.home import Facts, Home

PAUSE_SECONDS: Final = 0.1
SHOWN: Final = ("Region", "Api", "Oos", "ProcessId")


class NoAnswer(SystemFailure):
    """The region in {home} does not answer: after {seconds:g} s {reason}."""


def build(composition: Composition) -> Callable[[Path, float, bool], None]:
    """The command that waits for a region."""
    return wait


def wait(
    home: HomeFlag,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")] = 60,
    json: JsonFlag = False,
) -> None:
    """Wait until the region answers. Status 1: it does not in time. Its server may be started later than this command.
    --json prints the address at which the region answers."""
    with errors_shown():
        deadline = time.monotonic() + timeout
        place = Home(home.resolve())
        while reason := _silent(facts := place.server_facts()):
            if time.monotonic() >= deadline:
                raise NoAnswer(home=place.path, seconds=timeout, reason=reason)
            time.sleep(PAUSE_SECONDS)
    show_if_json({"Home": str(place.path), **{name: facts.get(name) for name in SHOWN}}, as_json=json)


def _silent(facts: Facts) -> str | None:
    """Why nobody answers; None if somebody does."""
    return (
        unanswered(asking.beside_api(facts, "/api"))
        if asking.runs(facts)
        else "no server has started here yet"
    )


def unanswered(url: str) -> str | None:
    """Why the API does not answer; None: it does."""
    netloc = urlsplit(url).netloc
    try:
        asking.opener().open(url, timeout=asking.ANSWER_SECONDS).close()
    except HTTPError as error:
        error.close()
        return f"{netloc} answers {error.code}"
    except (OSError, HTTPException) as error:
        return f"{netloc} does not: {str(error) or type(error).__name__}"
    return None
