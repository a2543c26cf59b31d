"""souche wait"""

import os
import ssl
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import typer

from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag
from souche.cli.output import told
from souche.errors import SystemFailure
from souche.home import Facts, Home

PAUSE_SECONDS: Final = 0.1
ANSWER_SECONDS: Final = 5


class NoAnswer(SystemFailure):
    """The region in {home} does not answer: after {seconds:g} s {reason}."""


def build(composition: Composition) -> Callable[[Path, float], None]:
    """The command that waits for a region."""
    return wait


def wait(
    home: HomeFlag,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")] = 60,
) -> None:
    """Wait until the region answers. Status 1: it does not in time. Its server may be started after this."""
    with told():
        deadline = time.monotonic() + timeout
        place = Home(home.resolve())
        while reason := _silent(place.told()):
            if time.monotonic() >= deadline:
                raise NoAnswer(home=place.path, seconds=timeout, reason=reason)
            time.sleep(PAUSE_SECONDS)


def _silent(facts: Facts) -> str | None:
    """Why nobody answers; None: somebody does."""
    process_id = facts.get("ProcessId")
    if not isinstance(process_id, int) or not _runs(process_id):
        return "no server has told of itself"
    return _unanswered(str(facts["Api"]))


def _runs(process_id: int) -> bool:
    """Whether there is such a process; the facts of a server that was killed are still there."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _unanswered(api: str) -> str | None:
    """Why the API does not answer; None: it does. Nothing is sent that has to be kept secret, so a certificate that
    nobody vouches for is as good as any."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    parts = urlsplit(api)
    try:
        opener.open(f"{parts.scheme}://{parts.netloc}/api", timeout=ANSWER_SECONDS).close()
    except HTTPError as error:
        error.close()
        return f"{parts.netloc} answers {error.code}"
    except (OSError, HTTPException) as error:
        return f"{parts.netloc} does not: {str(error) or type(error).__name__}"
    return None
