"""Downloads from a server that misbehaves, on 127.0.0.1 only."""

import ipaddress
import itertools
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from souche.objects import fetch
from souche.objects.addresses import Address, AllowList, is_public
from souche.objects.fetch import (
    DownloadDrips,
    DownloadFailed,
    DownloadTooLarge,
    DownloadTooSlow,
    Fetcher,
    Limits,
    UrlAccessRefused,
    UrlNotFound,
)
from souche.value_refusals import BadUrl, UrlUnreachable

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


def test_a_url_with_any_query_is_fetched_with_its_headers(fetcher: Fetcher, port: int) -> None:
    body, headers = fetcher.read(
        f"http://127.0.0.1:{port}/good?X-Amz-Signature=1&b=%2F", "FileLocation", LIMITS
    )
    assert (body, headers["x-amz-meta-note"]) == (BODY, "X-Amz-Signature=1&b=%2F")


def test_a_name_that_the_operator_has_named(fetcher: Fetcher, port: int) -> None:
    assert fetcher.read(f"http://OOS.example:{port}/good", "FileLocation", LIMITS)[0] == BODY


def test_announced_length_and_chunks(fetcher: Fetcher, port: int) -> None:
    with fetcher.open(f"http://127.0.0.1:{port}/", "FileLocation", LIMITS) as download:
        assert (download.total_bytes, b"".join(download.chunks)) == (len(BODY), BODY)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "http://",
        "http:///good",
        "http://user:password@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "http://[::1/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nHost: other",
        "http://exämple/",
        "http://127.0.0.1/" + "a" * 9000,
    ],
)
def test_what_is_no_http_url_is_refused(fetcher: Fetcher, url: str) -> None:
    with pytest.raises(BadUrl):
        fetcher.read(url, "FileLocation", LIMITS)


@pytest.mark.parametrize("login", ["user:password@", "user@", "@"])
def test_a_url_with_a_login_is_refused(fetcher: Fetcher, port: int, login: str) -> None:
    with pytest.raises(BadUrl, match="without a user name or password"):
        fetcher.read(f"http://{login}127.0.0.1:{port}/good", "FileLocation", LIMITS)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1.2.3", "0.1.2.3", "169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1",
     "[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
     "[fec0::1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "224.0.0.1", "255.255.255.255", "rebound.example"],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(fetcher: Fetcher, host: str) -> None:
    with pytest.raises(BadUrl, match="not an address to fetch from"):
        fetcher.read(f"http://{host}:81/good", "FileLocation", LIMITS)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost"])
def test_odd_spellings_of_this_machine_are_refused(host: str, port: int) -> None:
    """By the system's own resolver."""
    with pytest.raises(BadUrl, match="not an address to fetch from"):
        Fetcher(AllowList()).read(f"http://{host}:{port}/good", "FileLocation", LIMITS)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_a_name_is_resolved_once(port: int) -> None:
    """One that is public at the first question and private at the second is connected to at its first answer."""
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[Address]:
        asked.append(host)
        return [ipaddress.ip_address("127.0.0.1")]

    allowed = AllowList(frozenset({("rebound.example", port)}))
    body, _ = Fetcher(allowed, resolver=rebinding).read(
        f"http://rebound.example:{port}/", "FileLocation", LIMITS
    )
    assert (body, asked) == (BODY, ["rebound.example"])


def test_redirects_are_followed_and_checked(fetcher: Fetcher, port: int) -> None:
    here = f"http://127.0.0.1:{port}"
    assert fetcher.read(f"{here}/redirect?/good", "FileLocation", LIMITS)[0] == BODY
    assert fetcher.read(f"{here}/redirect?http://oos.example:{port}/good", "FileLocation", LIMITS)[0] == BODY
    for target in (
        "http://169.254.169.254/latest",
        "http://127.0.0.1:1/",
        "file:///etc/passwd",
        "http://[::1/",
        f"http://localhost:{port}/",
    ):
        with pytest.raises(BadUrl):
            fetcher.read(f"{here}/redirect?{target}", "FileLocation", LIMITS)


def test_redirects_end(fetcher: Fetcher, port: int) -> None:
    with pytest.raises(BadUrl, match="more than 5 redirects"):
        fetcher.read(
            f"http://127.0.0.1:{port}/redirect?redirect?redirect?redirect?redirect?redirect?good", "F", LIMITS
        )


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("unannounced", DownloadTooLarge),
        ("announced", DownloadTooLarge),
        ("short", DownloadFailed),
        ("refused", UrlAccessRefused),
        ("missing", UrlNotFound),
        ("broken", UrlUnreachable),
        ("nonsense", UrlUnreachable),
        ("nowhere", UrlUnreachable),
    ],
)
def test_a_server_that_misbehaves(
    fetcher: Fetcher, port: int, path: str, refusal: type[UrlUnreachable]
) -> None:
    with pytest.raises(refusal) as caught:
        fetcher.read(f"http://127.0.0.1:{port}/{path}?Signature=hush", "FileLocation", LIMITS)
    assert type(caught.value) is refusal
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("path", ["slow", "silent"])
def test_time_is_bounded(fetcher: Fetcher, port: int, path: str) -> None:
    started = time.monotonic()
    with pytest.raises((DownloadTooSlow, DownloadFailed, UrlUnreachable)):
        fetcher.read(
            f"http://127.0.0.1:{port}/{path}", "FileLocation", Limits(10**9, seconds=0.5, idle_seconds=0.5)
        )
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("path", ["slow_status", "slow_headers", "slow_chunk"])
def test_time_is_bounded_whatever_comes_byte_by_byte(fetcher: Fetcher, port: int, path: str) -> None:
    """Each byte is in time: a manifest's URL could hold a thread of the API for days."""
    started = time.monotonic()
    with pytest.raises(DownloadTooSlow):
        fetcher.read(
            f"http://127.0.0.1:{port}/{path}", "FileLocation", Limits(10**9, seconds=0.5, idle_seconds=5)
        )
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("path", ["slow_chunk", "slow"])
def test_what_only_drips_is_given_up(fetcher: Fetcher, port: int, path: str) -> None:
    """By what comes while it is waited for, long before the time of the download is over."""
    limits = Limits(10**9, seconds=1000, idle_seconds=5, least_bytes_per_second=64 * 1024, pace_seconds=0.5)
    started = time.monotonic()
    with pytest.raises(DownloadDrips, match=r"KiB a second for 0 seconds, and at least 64 are expected"):
        fetcher.read(f"http://127.0.0.1:{port}/{path}", "FileLocation", limits)
    assert time.monotonic() - started < 5


def test_a_reader_that_is_slow_is_not_taken_for_a_slow_server(fetcher: Fetcher, port: int) -> None:
    limits = Limits(10**9, seconds=1000, least_bytes_per_second=10**9, pace_seconds=1)
    received = 0
    with fetcher.open(f"http://127.0.0.1:{port}/large", "FileLocation", limits) as download:
        for chunk in download.chunks:
            received += len(chunk)
            stopping.wait(0.1)
    assert received == LARGE_BYTES


@pytest.mark.parametrize("path", ["slow_headers", "silent", "slow_chunk"])
def test_a_download_that_nobody_wants_any_more_ends_while_nothing_comes(
    fetcher: Fetcher, port: int, path: str
) -> None:
    class Cancelled(Exception):
        pass

    def cancel() -> None:
        raise Cancelled

    url, limits = f"http://127.0.0.1:{port}/{path}", Limits(10**9, seconds=1000)
    started = time.monotonic()
    with pytest.raises(Cancelled), fetcher.open(url, "FileLocation", limits, cancel) as download:
        assert list(download.chunks) == []
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("path", ["slow_headers", "silent"])
def test_an_answer_has_less_time_than_a_download(fetcher: Fetcher, port: int, path: str) -> None:
    limits = Limits(10**9, seconds=1000, answer_seconds=0.5)
    with pytest.raises((DownloadTooSlow, UrlUnreachable)):
        fetcher.read(f"http://127.0.0.1:{port}/{path}", "FileLocation", limits)


def test_many_addresses_where_nobody_answers_have_one_time(port: int) -> None:
    def many(_host: str, _port: int) -> list[Address]:
        return [ipaddress.ip_address("127.0.0.1")] * 20

    full = socket.socket()
    with full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        where = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # once its queue is full, it answers nobody
            each.settimeout(0)
            each.connect_ex(where)
        started = time.monotonic()
        allowed = AllowList(frozenset({("many.example", where[1])}))
        with pytest.raises(UrlUnreachable):
            Fetcher(allowed, resolver=many).read(
                f"http://many.example:{where[1]}/", "FileLocation", Limits(1000, seconds=1, idle_seconds=0.5)
            )
        assert time.monotonic() - started < 5
        for each in waiting:
            each.close()


def test_nobody_there(port: int) -> None:
    fetcher = Fetcher(AllowList(frozenset({("127.0.0.1", 1)})))
    with pytest.raises(UrlUnreachable):
        fetcher.read("http://127.0.0.1:1/", "FileLocation", LIMITS)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b.example", ".example"])
def test_a_name_that_can_be_nobodys_is_refused(host: str) -> None:
    """By the system's own resolver, which Python gives a name in the form of IDNA."""
    with pytest.raises(UrlUnreachable, match="this is not a valid host name"):
        Fetcher(AllowList()).read(f"http://{host}/", "FileLocation", LIMITS)


def test_no_such_host() -> None:
    def unknown(_host: str, _port: int) -> list[Address]:
        raise OSError("Name or service not known")

    with pytest.raises(UrlUnreachable, match="not known"):
        Fetcher(AllowList(), resolver=unknown).read("http://nowhere.example/", "FileLocation", LIMITS)


def test_a_resolver_that_does_not_answer_has_the_time_of_the_download() -> None:
    asked = threading.Event()

    def silent(_host: str, _port: int) -> list[Address]:
        asked.wait(10)
        return []

    started = time.monotonic()
    with pytest.raises(UrlUnreachable, match="not resolved in time"):
        Fetcher(AllowList(), resolver=silent).read(
            "http://a.example/", "FileLocation", Limits(9, seconds=0.2)
        )
    asked.set()
    assert time.monotonic() < started + 5


@pytest.mark.parametrize("failing", ["broken", "missing", "refused", "nonsense"])
def test_a_mirror_that_fails_is_left_for_another(
    fetcher: Fetcher, port: int, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """The first time it leads to a good one, and the second time to one that fails."""
    monkeypatch.setattr(sys.modules[__name__], "turns", itertools.count())
    url = f"http://127.0.0.1:{port}/mirrors?/good,/{failing},/good"
    for _ in range(2):
        assert fetcher.read(url, "FileLocation", LIMITS)[0] == BODY
    assert next(turns) == 3


def test_mirrors_that_all_fail_are_given_up(
    fetcher: Fetcher, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "turns", itertools.count())
    with pytest.raises(UrlUnreachable, match="HTTP status 500"):
        fetcher.read(f"http://127.0.0.1:{port}/mirrors?/broken", "FileLocation", LIMITS)
    assert next(turns) == fetch.MIRRORS
    with pytest.raises(BadUrl, match="not an address"):
        fetcher.read(f"http://127.0.0.1:{port}/mirrors?http://127.0.0.1:1/", "FileLocation", LIMITS)
    assert next(turns) == fetch.MIRRORS + 2
