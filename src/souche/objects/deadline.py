"""Limits the time of a download, for any behaviour of its server.

A socket's timeout limits one wait. A server that occasionally sends a byte of a status line or a TLS record never
exceeds it. So a separate thread watches each connection, and shuts it down when the time is over, when it was too slow
for a minute, or when the download is cancelled.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

LOOK_SECONDS: Final = 1.0


class TooSlow(Exception):
    """The server sent fewer bytes a second than required. Internal to downloads."""

    def __init__(self, bytes_per_second: float) -> None:
        super().__init__(bytes_per_second)
        self.bytes_per_second = bytes_per_second


class Deadline:
    """A number of seconds from now. While a connection is open, `ask` is called every second. If it raises, the
    connection is shut down, and `check` raises the same error."""

    def __init__(self, seconds: float, ask: Callable[[], object] = lambda: None) -> None:
        self._end = time.monotonic() + seconds
        self._ask = ask
        self._error: BaseException | None = None

    @property
    def seconds_left(self) -> float:
        """0 when it is over."""
        return max(0.0, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        return self.seconds_left == 0

    def extend(self, seconds: float) -> None:
        """Set the end to `seconds` from now."""
        self._end = time.monotonic() + seconds

    def check(self) -> None:
        """Raise what `ask` has raised."""
        if self._error is not None:
            raise self._error

    @contextmanager
    def ends(self, connection: socket.socket) -> Iterator[None]:
        """Shut the connection down when the time is over; its reader then sees the end of the file. TLS takes over the
        socket, so this keeps a duplicate descriptor."""
        with connection.dup() as same:
            left = threading.Event()
            watch = threading.Thread(target=self._watch, args=(same, left), name="deadline", daemon=True)
            watch.start()
            try:
                yield
            finally:
                left.set()
                watch.join()

    def _watch(self, connection: socket.socket, left: threading.Event) -> None:
        while not left.wait(min(LOOK_SECONDS, self.seconds_left)):
            try:
                self._ask()
            except BaseException as error:
                self._error = error
            if self._error is not None or self.over:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                return


class Pace:
    """How fast a server sends, measured over the time spent waiting for it. Time spent on processing does not count."""

    def __init__(self, least_bytes_per_second: float, window_seconds: float) -> None:
        self._least = least_bytes_per_second
        self._window_seconds = window_seconds
        self._lock = threading.Lock()
        self._begun: float | None = None
        self._waited_seconds = 0.0
        self._bytes = 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A wait for the server."""
        with self._lock:
            self._begun = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._count()
                self._begun = None

    def arrived(self, length: int) -> None:
        """Count received bytes."""
        with self._lock:
            self._bytes += length

    def check(self) -> None:
        """Check the speed of the last full minute. The watching thread calls this, as a wait may never end.

        Raises:
            TooSlow.
        """
        with self._lock:
            self._count()
            if self._waited_seconds < self._window_seconds:
                return
            rate = self._bytes / self._waited_seconds
            self._waited_seconds, self._bytes = 0.0, 0
        if rate < self._least:
            raise TooSlow(rate)

    def _count(self) -> None:
        """Add the current wait to the time waited."""
        if self._begun is not None:
            now = time.monotonic()
            self._waited_seconds += now - self._begun
            self._begun = now
