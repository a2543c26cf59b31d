"""Asks the server of a region to run an action, through its socket (`admin/wire.py`)."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

from souche import __version__
from souche.admin import wire
from souche.admin.listener import Listener
from souche.errors import SystemFailure

HOST = "souche"
"""for HTTP's Host header"""
BEGIN_SECONDS = 60
"""timeout for the head of an answer, which the server sends before it begins an action"""


class Refused(SystemFailure):
    """{message}"""


class NoAnswer(SystemFailure):
    """The server of the region does not answer within {seconds} s: it may still be starting, or it hangs."""


class ServerEnded(SystemFailure):
    """The server of the region ended before it answered. Its work continues when the region is served again (`souche
    serve`)."""


class ServerGone(ServerEnded):
    """The region is no longer served, and its server did not get the request: try again."""


class Server:
    """The server whose socket is in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_there(self) -> bool:
        """Whether it accepts connections.

        Raises:
            PermissionError: it is another user's.
        """
        connected = wire.connect(self._folder)
        if connected is not None:
            connected.close()
        return connected is not None

    def process(self) -> int | None:
        """The id of its process, as the system knows it; None: it takes no connections.

        Raises:
            PermissionError: it is another user's.
        """
        connected = wire.connect(self._folder)
        if connected is None:
            return None
        with connected:
            credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, wire.CREDENTIALS.size)
        return wire.process_of(credentials)

    def ask(self, name: str, args: Sequence[Any], named: Mapping[str, Any], listener: Listener) -> Any:
        """Have the server run an action, and wait for its result. Leaving by an exception does not stop the server's
        work.

        Raises:
            Refused: the action raised. NoAnswer: the server does not even begin, and will not. ServerEnded. ServerGone:
                it did not get the request.
        """
        body = json.dumps({wire.ARGS: args, wire.NAMED: named})
        connection = _Connection(lambda: wire.connect(self._folder))
        try:
            # First wait until the server answers at all. A starting server would later run a POST that waits in its
            # socket, even if its command has given up.
            connection.request("GET", wire.PREFIX)
            connection.getresponse().read()
            connection.request("POST", f"{wire.PREFIX}{name}", body, {wire.VERSION: __version__})
            answer = connection.getresponse()
            connection.reached.settimeout(None)  # an action has no time limit
            return _ended(_lines(answer), listener)
        except TimeoutError as error:
            raise NoAnswer(seconds=BEGIN_SECONDS) from error
        except (OSError, HTTPException) as error:
            raise ServerEnded from error
        finally:
            connection.close()


class _Connection(HTTPConnection):
    """HTTP by a Unix socket."""

    def __init__(self, reach: Callable[[], socket.socket | None]) -> None:
        super().__init__(HOST)
        self._reach = reach

    def connect(self) -> None:
        reached = self._reach()
        if reached is None:
            raise ServerGone
        reached.settimeout(BEGIN_SECONDS)
        self.reached = self.sock = reached


def _lines(answer: HTTPResponse) -> Iterator[dict[str, Any]]:
    while line := answer.readline():
        yield json.loads(line)


def _ended(lines: Iterator[dict[str, Any]], listener: Listener) -> Any:
    """The result in the last line."""
    for line in lines:
        if wire.REFUSED in line:
            raise Refused(message=line[wire.REFUSED])
        if wire.RESULT in line:
            return line[wire.RESULT]
        if wire.TRANSFER in line:
            listener.transfer(*line[wire.TRANSFER])
        if wire.STEP in line:
            listener.step(*line[wire.STEP])
    raise ServerEnded
