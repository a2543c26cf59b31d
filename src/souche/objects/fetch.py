"""Downloads from URLs given by untrusted users (design 3.8).

Only http and https, and only to addresses that the allow-list admits. A name is resolved once, the address is checked,
and the connection goes to that address: a name that resolves differently the second time gains nothing. Every redirect
is checked like the first URL. Size and time are limited, and nothing is read that was not requested.

Redirects often choose a different mirror each time, and some mirrors do not answer. If a redirect's target fails before
its body, the first URL is requested again.

Proxies in the environment are ignored: a proxy would choose the address itself.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

import structlog

from souche.objects.addresses import AllowList
from souche.objects.deadline import Deadline, Pace, TooSlow
from souche.objects.pinned import Resolver, connect, resolve
from souche.objects.urls import Target, parse_url, shown
from souche.value_refusals import BadUrl, UrlUnreachable

KIB: Final = 1024
CHUNK_BYTES: Final = 1024 * KIB
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
REFUSALS: Final = frozenset({401, 403})
MIRRORS: Final = 4
"""How many times the first URL is requested again after a redirect's target has failed."""
MIRROR_SECONDS: Final = 0.25

log = structlog.get_logger()


class UrlAccessRefused(UrlUnreachable):
    """The server refused access to the URL in '{parameter}' (HTTP {status}): it may have expired, or lack a
    signature."""


class UrlNotFound(UrlUnreachable):
    """There is nothing at the URL in '{parameter}' (HTTP 404): {location}"""


class DownloadFailed(UrlUnreachable):
    """The download of '{parameter}' failed: {reason}"""


class DownloadTooLarge(UrlUnreachable):
    """The file at the URL in '{parameter}' has more than {limit} bytes."""


class DownloadTooSlow(UrlUnreachable):
    """The download of '{parameter}' was stopped after {seconds} seconds."""


class DownloadDrips(DownloadTooSlow):
    """The download of '{parameter}' was stopped: its server sent {rate:.1f} KiB a second for {seconds:.0f} seconds,
    and at least {least:.0f} are expected."""


@dataclass(frozen=True)
class Limits:
    """Limits of a download. `seconds` bounds the whole download, `answer_seconds` the redirects and headers before the
    body, and `idle_seconds` each wait for the server. While waiting for the body, at least `least_bytes_per_second`
    must arrive, checked after every `pace_seconds` of waiting."""

    most_bytes: int
    seconds: float
    idle_seconds: float = 30
    answer_seconds: float = 60
    least_bytes_per_second: float = 0
    pace_seconds: float = 60
    redirects: int = 5


@dataclass(frozen=True)
class Download:
    """An answer with an unread body. Header names are in lower case. `total_bytes` is the announced length, if there is
    one."""

    headers: Mapping[str, str]
    total_bytes: int | None
    chunks: Iterator[bytes]


@lru_cache(maxsize=2)
def _trusted(more: Path | None, _changed_ns: int) -> ssl.SSLContext:
    """The system's certificate authorities, and those in a file. They are read at the first URL that needs them, and
    when the file changes: OpenSSL 3 takes 85 ms for it. A server's own certificate in the file is trusted directly."""
    context = ssl.create_default_context()
    if more is not None:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(more)
    return context


class Fetcher:
    """Opens URLs. `resolver` is the system's, except in tests; `trusted` is a file with certificates that are trusted
    in addition to the system's, because the region's own store may have a private one."""

    def __init__(
        self, allowed: AllowList, *, resolver: Resolver = resolve, trusted: Path | None = None
    ) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._more = trusted
        self._last: ssl.SSLContext | None = None

    @contextmanager
    def open(
        self, url: str, parameter: str, limits: Limits, ask: Callable[[], object] = lambda: None
    ) -> Iterator[Download]:
        """GET a URL; `parameter` is its parameter, for messages. `ask` is called every second, also while no data
        arrive. If it raises, the download ends with its error.

        Raises:
            BadUrl: it is not one that may be fetched.
            UrlUnreachable: the server cannot be reached, or refuses (see the subclasses).
                Reading `chunks` raises DownloadFailed, DownloadTooLarge and DownloadTooSlow.
        """
        pace = Pace(limits.least_bytes_per_second, limits.pace_seconds)

        def look() -> None:
            pace.check()
            ask()

        deadline = Deadline(min(limits.seconds, limits.answer_seconds), look)
        with ExitStack() as stack:
            response = self._led(url, parameter, limits, deadline, stack)
            deadline.extend(limits.seconds)
            yield _download(response, parameter, limits, deadline, pace)

    def _led(
        self, url: str, parameter: str, limits: Limits, deadline: Deadline, stack: ExitStack
    ) -> http.client.HTTPResponse:
        """The final answer of a URL, after redirects; `stack` closes it. If a redirect's target fails, the first URL is
        asked again."""
        for left in reversed(range(MIRRORS)):
            way = _Way(url)
            try:
                return self._follow(way, parameter, limits, deadline, stack)
            except UrlUnreachable:
                if not way.redirected or not left or deadline.over:
                    raise
            threading.Event().wait(min(MIRROR_SECONDS, deadline.seconds_left))
        raise UrlUnreachable(parameter=parameter, reason="it redirects to a server that does not answer.")

    def _follow(
        self, way: "_Way", parameter: str, limits: Limits, deadline: Deadline, stack: ExitStack
    ) -> http.client.HTTPResponse:
        for _ in range(limits.redirects + 1):
            target = parse_url(way.url, parameter)
            with ExitStack() as opened:
                response = opened.enter_context(self._get(target, parameter, limits, deadline))
                if response.status not in REDIRECTS:
                    _check_status(response, target, parameter)
                    stack.push(opened.pop_all())
                    return response
                way.url, way.redirected = _next(way.url, response, parameter), True
        raise BadUrl(parameter=parameter, reason=f"more than {limits.redirects} redirects.")

    def read(self, url: str, parameter: str, limits: Limits) -> tuple[bytes, Mapping[str, str]]:
        """GET a small object: its bytes and the answer's headers. Raises as `open` does."""
        with self.open(url, parameter, limits) as download:
            return b"".join(download.chunks), download.headers

    def _wrap(self, plain: socket.socket, target: Target) -> ssl.SSLSocket:
        return self._context().wrap_socket(plain, server_hostname=target.host)

    def _context(self) -> ssl.SSLContext:
        """The trusted certificates. While the file cannot be read, such as during a renewal, the former ones stay
        trusted."""
        try:
            changed_ns = self._more.stat().st_mtime_ns if self._more else 0
            self._last = _trusted(self._more, changed_ns)
        except OSError as error:  # includes ssl.SSLError
            log.warning("the certificates of the region cannot be read", reason=str(error))
            self._last = self._last or _trusted(None, 0)
        return self._last

    @contextmanager
    def _get(
        self, target: Target, parameter: str, limits: Limits, deadline: Deadline
    ) -> Iterator[http.client.HTTPResponse]:
        with connect(
            target, parameter, self._allowed, self._resolver, limits.idle_seconds, deadline
        ) as plain:
            try:
                connection = http.client.HTTPConnection(target.host, target.port)
                connection.sock = self._wrap(plain, target) if target.tls else plain
                connection.request("GET", target.path, headers={"Host": target.host_header, "Accept": "*/*"})
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                _check_time(parameter, limits, deadline)
                raise UrlUnreachable(parameter=parameter, reason=_reason(error)) from error
            _check_time(parameter, limits, deadline)  # a connection shut at the limit may look like an answer
            try:
                yield response
            finally:
                response.close()
                connection.close()


@dataclass
class _Way:
    """The present step of a chain of redirects."""

    url: str
    redirected: bool = False


def _next(url: str, response: http.client.HTTPResponse, parameter: str) -> str:
    location = response.getheader("Location")
    if not location:
        raise UrlUnreachable(parameter=parameter, reason="it redirects without a location.")
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise BadUrl(parameter=parameter, reason=f"it redirects to an invalid URL: {error}.") from error


def _check_status(response: http.client.HTTPResponse, target: Target, parameter: str) -> None:
    if response.status in REFUSALS:
        raise UrlAccessRefused(parameter=parameter, status=response.status)
    if response.status == 404:
        raise UrlNotFound(parameter=parameter, location=shown(target))
    if response.status != 200:
        raise UrlUnreachable(parameter=parameter, reason=f"HTTP status {response.status}.")


def _download(
    response: http.client.HTTPResponse,
    parameter: str,
    limits: Limits,
    deadline: Deadline,
    pace: Pace,
) -> Download:
    total = response.length
    if total is not None and total > limits.most_bytes:
        raise DownloadTooLarge(parameter=parameter, limit=limits.most_bytes)
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Download(headers, total, _chunks(response, parameter, limits, deadline, pace))


def _chunks(
    response: http.client.HTTPResponse, parameter: str, limits: Limits, deadline: Deadline, pace: Pace
) -> Iterator[bytes]:
    received = 0
    while chunk := _read(response, parameter, limits, deadline, pace):
        pace.arrived(len(chunk))
        received += len(chunk)
        if received > limits.most_bytes:
            raise DownloadTooLarge(parameter=parameter, limit=limits.most_bytes)
        yield chunk
    if response.length:
        raise DownloadFailed(parameter=parameter, reason=f"{response.length} bytes are missing at its end.")


def _read(
    response: http.client.HTTPResponse, parameter: str, limits: Limits, deadline: Deadline, pace: Pace
) -> bytes:
    try:
        with pace.waiting():
            chunk = response.read1(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        _check_time(parameter, limits, deadline)
        raise DownloadFailed(parameter=parameter, reason=_reason(error)) from error
    _check_time(parameter, limits, deadline)
    return chunk


def _check_time(parameter: str, limits: Limits, deadline: Deadline) -> None:
    try:
        deadline.check()
    except TooSlow as error:
        raise DownloadDrips(
            parameter=parameter,
            rate=error.bytes_per_second / KIB,
            seconds=limits.pace_seconds,
            least=limits.least_bytes_per_second / KIB,
        ) from error
    if deadline.over:
        raise DownloadTooSlow(parameter=parameter, seconds=limits.seconds)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
