"""HTTP as uvicorn reads it, with bounds on everything that a client sends, in bytes and in time.

With httptools, uvicorn accepts headers of any length, and waits without any limit for the end of a request, and for a
client to read its answer. One timer of a connection checks it every few seconds: a timer for each request would cost a
tenth of the time of the fastest answers.
"""

import asyncio
from enum import Enum, auto
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from souche.api.protocol import errors
from souche.api.protocol.answers import encoded
from souche.api.protocol.request_errors import RETRY_SECONDS, TooManyBodies, TooManyConnections, TooSlow
from souche.errors import SoucheError
from souche.http import joined_answer
from souche.http.connections import Bounds, Connections
from souche.http.exchange import ANY_ORIGIN, BODY_LIMIT, JSON

HEAD_LIMIT: Final = 64 * 1024
"""The common limit: uvicorn's with h11, and eight times nginx's."""

UNCOUNTED_BYTES: Final = 64 * 1024
"""Not counted of each body: every connection may hold this much, so large bodies do not block ordinary requests."""

LOOKS: Final = 4
"""Checks of a connection within the time limit of a head."""


class Phase(Enum):
    """What a connection expects next from its client."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class BoundedHttp(HttpToolsProtocol):
    """Refuses a head longer than `HEAD_LIMIT` plus one read, a request that comes too slowly, and a connection beyond
    the number that its address may have."""

    def __init__(
        self,
        bounds: Bounds,
        open_connections: Connections,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = bounds
        self._open_connections = open_connections
        self._admitted = False
        self._phase = Phase.HEAD
        self._since = self.loop.time()
        self._head_bytes = 0
        self._body_bytes = 0
        self._held_bytes = 0
        self._unread_since: float | None = None
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._admitted = self._open_connections.admit(self._host)
        if not self._admitted:
            self._refuse(TooManyConnections(seconds=RETRY_SECONDS))
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        if self._admitted:
            self._open_connections.leave(self._host)
        self._let_go()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._phase is Phase.NOTHING:
            self._expect(Phase.HEAD)
        if self._phase is Phase.HEAD:
            self._head_bytes += len(data)
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._phase is Phase.HEAD and self._head_bytes > HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        if self._phase is not Phase.HEAD:  # a pipelined request came in the same piece
            self._expect(Phase.HEAD)
        self._let_go()  # the previous request is answered, or its queued body came in this piece
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._expect(Phase.BODY)
        before = self._latest
        super().on_headers_complete()
        if self._latest is not None and self._latest is not before:
            joined_answer.join(self._latest)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._hold():
            super().on_body(body)
        elif not self.transport.is_closing():
            self._refuse(TooManyBodies(seconds=RETRY_SECONDS))

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._phase = Phase.NOTHING
        self._head_bytes = self._body_bytes = 0

    def _hold(self) -> bool:
        """Count the bytes of the body that the application holds, until the next request. Returns whether there is room
        for them."""
        kept = min(self._body_bytes, BODY_LIMIT) - UNCOUNTED_BYTES
        more = max(0, kept) - self._held_bytes
        if more and not self._open_connections.hold(self._host, more):
            return False
        self._held_bytes += more
        return True

    def _let_go(self) -> None:
        if self._held_bytes:
            self._open_connections.let_go(self._host, self._held_bytes)
            self._held_bytes = 0

    def _expect(self, phase: Phase) -> None:
        self._phase, self._since = phase, self.loop.time()

    @property
    def _host(self) -> str:
        return self.client[0] if self.client else ""

    def _look_later(self) -> None:
        self._look = self.loop.call_later(self._bounds.head_seconds / LOOKS, self._look_now)

    def _look_now(self) -> None:
        """Close the connection if its client is too slow; else check again later."""
        now = self.loop.time()
        if self._is_answering():  # the client waits for our answer
            self._since = now
        if self._is_unread(now):
            self.transport.abort()
        elif not self.transport.is_closing() and now > self._deadline():
            self._refuse(TooSlow(bytes_per_second=self._bounds.bytes_per_second))
        self._look_later()

    def _deadline(self) -> float:
        """When the client is too late. Never while nothing is expected from it: uvicorn closes the connection a while
        after the answer."""
        if self._phase is Phase.NOTHING:
            return float("inf")
        return self._since + self._bounds.head_seconds + self._body_bytes / self._bounds.bytes_per_second

    @property
    def _latest(self) -> RequestResponseCycle | None:
        """The request whose head was read last."""
        return self.cycle

    def _is_answering(self) -> bool:
        """Whether an earlier request is being answered: the next one may not even be read yet."""
        if self._phase is Phase.BODY:
            return bool(self.pipeline)
        return self._latest is not None and not self._latest.response_complete

    def _is_unread(self, now: float) -> bool:
        """Whether the client has left some of an answer unread for too long."""
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
            return False
        self._unread_since = self._unread_since or now
        return now > self._unread_since + self._bounds.unread_seconds

    def _refuse(self, error: SoucheError) -> None:
        """Answer, if no answer has begun, and close the connection."""
        latest = self._latest
        if latest is None or latest.response_complete or not latest.response_started:
            self.transport.write(_answer(error))
        self.transport.close()


def _answer(error: SoucheError) -> bytes:
    row = errors.row(type(error))
    body = encoded(errors.envelope(error))
    head = b"".join(b"%s: %s\r\n" % header for header in (JSON, ANY_ORIGIN))
    head += b"connection: close\r\ncontent-length: %d\r\n" % len(body)
    if row.retry_seconds is not None:
        head += b"retry-after: %d\r\n" % row.retry_seconds
    return b"".join((STATUS_LINE[row.status], head, b"\r\n", body))
