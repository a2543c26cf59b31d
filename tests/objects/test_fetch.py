"""Downloads from a server that misbehaves, on 127.0.0.1 only."""

import ipaddress
import itertools

import pytest

from souche.objects import fetch
from souche.objects.addresses import Address, AllowList, is_public
from souche.objects.fetch import DownloadFailed, DownloadTooLarge, Fetcher, UrlAccessRefused, UrlNotFound
from souche.value_refusals import BadUrl, UrlUnreachable
from tests.objects import odd_server
from tests.objects.odd_server import BODY, LIMITS
from tests.objects.odd_server import fetcher as fetcher
from tests.objects.odd_server import port as port


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


@pytest.mark.parametrize("failing", ["broken", "missing", "refused", "nonsense"])
def test_a_mirror_that_fails_is_left_for_another(
    fetcher: Fetcher, port: int, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """The first time it leads to a good one, and the second time to one that fails."""
    monkeypatch.setattr(odd_server, "turns", itertools.count())
    url = f"http://127.0.0.1:{port}/mirrors?/good,/{failing},/good"
    for _ in range(2):
        assert fetcher.read(url, "FileLocation", LIMITS)[0] == BODY
    assert next(odd_server.turns) == 3


def test_mirrors_that_all_fail_are_given_up(
    fetcher: Fetcher, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odd_server, "turns", itertools.count())
    with pytest.raises(UrlUnreachable, match="HTTP status 500"):
        fetcher.read(f"http://127.0.0.1:{port}/mirrors?/broken", "FileLocation", LIMITS)
    assert next(odd_server.turns) == fetch.MIRRORS
    with pytest.raises(BadUrl, match="not an address"):
        fetcher.read(f"http://127.0.0.1:{port}/mirrors?http://127.0.0.1:1/", "FileLocation", LIMITS)
    assert next(odd_server.turns) == fetch.MIRRORS + 2
