"""Sends the head of an answer together with the first part of its body.

uvicorn writes the two one after the other. Each write is a system call, and wakes the client: a twentieth of the time
of an answer from memory. A server need not send the head before the body begins
(https://asgi.readthedocs.io/en/latest/specs/www.html#response-start-send-event). An application whose client waits for
the head sends an empty part after it.
"""

from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


def join(cycle: RequestResponseCycle) -> None:
    """Let a request, whose answer has not begun, be answered so. The answer to HEAD has no body."""
    if cycle.scope["method"] != "HEAD":
        cycle.transport = cast("Any", JoinedAnswer(cycle))


class JoinedAnswer:
    """The transport of one answer. It keeps the head until the next write, or until it is closed."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._transport = cycle.transport
        self._head: bytes | None = None
        self._has_begun = False

    def write(self, data: bytes) -> None:
        """Send a piece: at once, unless it is the head."""
        if self._has_begun or not self._cycle.response_started:  # such as "100 Continue"
            self._transport.write(data)
        elif self._head is None:
            self._head = data
        else:
            self._has_begun = True
            self._transport.write(b"".join((self._head, data)))

    def close(self) -> None:
        """Send what is kept, and close the connection."""
        if self._head is not None and not self._has_begun:
            self._has_begun = True
            self._transport.write(self._head)
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is being closed."""
        return self._transport.is_closing()
