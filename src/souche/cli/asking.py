"""Asks the server of a region, over HTTP."""

import os
import ssl
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, build_opener

from souche.home import Facts

ANSWER_SECONDS: Final = 5


def opener() -> OpenerDirector:
    """Opens URLs of this machine's regions. Nothing secret is sent, so any certificate is accepted."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return build_opener(ProxyHandler({}), HTTPSHandler(context=context))


def runs(facts: Facts) -> bool:
    """Whether the process that recorded these facts runs; the facts of a killed server stay."""
    process_id = facts.get("ProcessId")
    if not isinstance(process_id, int):
        return False
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def beside_api(facts: Facts, path: str) -> str:
    """The URL of a path of the server that answers the API."""
    parts = urlsplit(str(facts["Api"]))
    return f"{parts.scheme}://{parts.netloc}{path}"


def read(url: str) -> bytes | None:
    """The server's answer, with any status; None if there is none in time."""
    try:
        with opener().open(url, timeout=ANSWER_SECONDS) as answer:
            text: bytes = answer.read()
    except HTTPError as error:
        with error:
            return error.read()
    except (OSError, HTTPException):
        return None
    return text
