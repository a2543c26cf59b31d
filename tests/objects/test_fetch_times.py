"""Downloads that are slow, stop or are unwanted end within their time."""

import ipaddress
import socket
import threading
import time

import pytest

from souche.objects.addresses import Address, AllowList
from souche.objects.fetch import DownloadDrips, DownloadFailed, DownloadTooSlow, Fetcher, Limits
from souche.value_refusals import UrlUnreachable
from tests.objects.odd_server import LARGE_BYTES, stopping
from tests.objects.odd_server import fetcher as fetcher
from tests.objects.odd_server import port as port


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
