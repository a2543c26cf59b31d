"""Answers the operator's commands, by the socket in the home (`admin/wire.py`).

Each action runs in its own thread, and reports its progress line by line. An interrupted command does not end the
action: an action that only waits stops waiting, and one that works continues.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from threading import Event, Thread
from typing import Any, Final, TypeAlias, cast

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from souche import __version__
from souche.admin import wire
from souche.admin.listener import Listener
from souche.http.connections import Bounds
from souche.http.protocol import BoundedHttp

BOUNDS: Final = Bounds(most_from_address=256)
GRACE_SECONDS: Final = 1
"""how long a stopping server waits for answers"""
LINES: Final = [(b"content-type", b"application/x-ndjson")]

Do: TypeAlias = Callable[[str, Sequence[Any], Mapping[str, Any], Listener], object]
"""Runs an action by its name, with its arguments."""

Explain: TypeAlias = Callable[[Exception], str | None]
"""The message of a refusal, or None if the error is the server's fault."""

log = structlog.get_logger()


class CommandGone(Exception):
    """The command that waits for an action has ended."""


class OwnerHttp(BoundedHttp):
    """Closes connections of users other than the server's own and root."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        connected = cast("socket.socket", transport.get_extra_info("socket"))
        if not wire.is_owner(wire.peer_of_socket(connected)):
            transport.abort()


def create_operator_app(do: Do, explain: Explain) -> Starlette:
    """The ASGI application."""
    return Starlette(
        routes=[Route(f"{wire.PREFIX}{{action}}", OperatorEndpoint(do, explain), methods=["POST"])]
    )


class OperatorEndpoint:
    """Runs the action that the path names, and streams its progress and its result."""

    def __init__(self, do: Do, explain: Explain) -> None:
        self._do = do
        self._explain = explain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        version = request.headers.get(wire.VERSION, "")
        if version != __version__:
            refusal = (
                f"the server runs Souche {__version__}, and this command is from Souche {version or 'unknown'}: "
                "restart the server, or use the command from its version"
            )
            await _begin(send, HTTPStatus.CONFLICT)
            await _send(send, _encoded({wire.REFUSED: refusal}), is_last=True)
            return
        asked = await request.json()
        running = _Running(partial(self._ended, request.path_params["action"], asked))
        await _begin(send, HTTPStatus.OK)
        await running.stream(receive, send)

    def _ended(self, name: str, asked: Mapping[str, Any], listener: Listener) -> bytes:
        """The last line of the answer to a request, once its action has ended. Encoded here, in its thread: the list
        of a large region takes a fraction of a second."""
        try:
            return _encoded({wire.RESULT: self._do(name, asked[wire.ARGS], asked[wire.NAMED], listener)})
        except CommandGone:
            return _encoded({wire.REFUSED: ""})  # the command is gone: nobody reads this
        except Exception as error:
            message = self._explain(error)
            if message is None:
                log.exception("an operator's action failed", action=name)
                message = f"{name} failed; the log of the server says why"
            return _encoded({wire.REFUSED: message})


class _Running:
    """An action in its thread, and the lines that it has for the command. Made on the event loop."""

    def __init__(self, act: Callable[[Listener], bytes]) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue()
        self._gone = Event()
        listener = Listener(
            transfer=lambda *said: self._put(_encoded({wire.TRANSFER: said})),
            step=lambda *said: self._put(_encoded({wire.STEP: said})),
            check=self._check,
        )
        Thread(target=lambda: self._put(act(listener), is_last=True), name="operator", daemon=True).start()

    def _put(self, line: bytes, *, is_last: bool = False) -> None:
        with suppress(RuntimeError):  # the loop has ended: the process is ending
            self._loop.call_soon_threadsafe(self._lines.put_nowait, (line, is_last))

    def _check(self) -> None:
        if self._gone.is_set():
            raise CommandGone

    async def stream(self, receive: Receive, send: Send) -> None:
        """Send the lines as they come, until the last one, or until the command has ended."""
        leaving = asyncio.ensure_future(_left(receive))
        try:
            while True:
                coming = asyncio.ensure_future(self._lines.get())
                await asyncio.wait((coming, leaving), return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    return
                line, is_last = coming.result()
                await _send(send, line, is_last=is_last)
                if is_last:
                    return
        finally:
            leaving.cancel()
            self._gone.set()


async def _left(receive: Receive) -> None:
    """Return when the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _begin(send: Send, status: HTTPStatus) -> None:
    """Send the head now. The server would keep it until the body begins (`joined_answer.py`), and a command that gets
    no head gives up."""
    await send({"type": "http.response.start", "status": int(status), "headers": LINES})
    await _send(send, b"", is_last=False)


async def _send(send: Send, line: bytes, *, is_last: bool) -> None:
    await send({"type": "http.response.body", "body": line, "more_body": not is_last})


def _encoded(line: Mapping[str, object]) -> bytes:
    return json.dumps(line).encode() + b"\n"
