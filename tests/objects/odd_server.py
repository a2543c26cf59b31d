"""An HTTP server that answers each path in its own odd way, and a fetcher that may reach it."""

import ipaddress
import itertools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from souche.objects.addresses import Address, AllowList
from souche.objects.fetch import Fetcher, Limits

LIMITS = Limits(most_bytes=1000, seconds=5, idle_seconds=2)
BODY = b"manifest"
LARGE_BYTES = 20 * 1024 * 1024


class Server(BaseHTTPRequestHandler):
    """Each path is one manner."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        getattr(self, path.strip("/") or "good")(query)

    def good(self, query: str) -> None:
        self._answer(200, BODY, {"x-amz-meta-note": query, "Content-Length": str(len(BODY))})

    def unannounced(self, _query: str) -> None:
        self._answer(200, BODY * 1000, {})

    def announced(self, _query: str) -> None:
        self._answer(200, b"", {"Content-Length": "1001"})

    def large(self, _query: str) -> None:
        self._answer(200, bytes(LARGE_BYTES), {"Content-Length": str(LARGE_BYTES)})

    def short(self, _query: str) -> None:
        self._answer(200, BODY, {"Content-Length": "100"})

    def slow(self, _query: str) -> None:
        self._answer(200, b"", {})
        while not stopping.wait(0.05):
            self.wfile.write(b"x")

    def slow_status(self, _query: str) -> None:
        self._drip(b"HTTP/1.1 200 ", b"O")

    def slow_headers(self, _query: str) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nX-Name: ", b"v")

    def slow_chunk(self, _query: str) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0")

    def _drip(self, start: bytes, more: bytes) -> None:
        """A byte now and then: no single wait for it is long."""
        self.wfile.write(start)
        try:
            while not stopping.wait(0.05):
                self.wfile.write(more)
        except ConnectionError:
            return

    def silent(self, _query: str) -> None:
        stopping.wait(10)

    def refused(self, _query: str) -> None:
        self._answer(403, b"", {})

    def missing(self, _query: str) -> None:
        self._answer(404, b"", {})

    def broken(self, _query: str) -> None:
        self._answer(500, b"", {})

    def nonsense(self, _query: str) -> None:
        self.wfile.write(b"220 smtp.example ready\r\n")

    def nowhere(self, _query: str) -> None:
        self._answer(302, b"", {})

    def redirect(self, query: str) -> None:
        self._answer(307, b"", {"Location": query})

    def mirrors(self, query: str) -> None:
        """Another one each time: those of the query, one after the other."""
        self._answer(302, b"", {"Location": query.split(",")[next(turns) % len(query.split(","))]})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:
            return

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


stopping = threading.Event()
turns = itertools.count()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    stopping.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        stopping.set()
        server.shutdown()


@pytest.fixture
def fetcher(port: int) -> Fetcher:
    return Fetcher(AllowList(frozenset({("127.0.0.1", port), ("oos.example", port)})), resolver=resolver)


def resolver(host: str, _port: int) -> list[Address]:
    """Every name leads to this machine."""
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        return [ipaddress.ip_address("127.0.0.1")]
