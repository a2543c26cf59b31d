"""The end of a download, whatever its server does.

A timeout of a socket bounds one wait: a server that sends a byte now and then, of a status line or of a TLS record,
never runs into it. So the connection is shut from outside when the time is over.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Deadline:
    """So many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        """0 when it is over."""
        return max(0.0, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        return self.seconds_left == 0

    @contextmanager
    def ends(self, connection: socket.socket) -> Iterator[None]:
        """Shut the connection when the time is over: whoever waits for it reads its end. TLS takes the socket over, so
        it is another descriptor of it that is kept here."""
        with connection.dup() as same:
            timer = threading.Timer(self.seconds_left, _shut, [same])
            timer.daemon = True
            timer.start()
            try:
                yield
            finally:
                timer.cancel()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
