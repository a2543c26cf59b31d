"""Heads that two readers could take apart in two ways are refused; nothing else is."""

import time

import pytest

from souche.http.s3 import heads
from souche.http.s3.heads import BadHead

GOOD = (
    b"PUT /b/k?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\nX-Amz-Meta-A: 1\r\nx-amz-meta-a: \t2 \r\n\r\n"
)


def test_a_request() -> None:
    request = heads.request(GOOD)
    assert (request.method, request.path, request.query) == ("PUT", "/b/k", "x=1")
    assert (request.length, request.chunked, request.closes) == (12, False, False)
    assert request.headers["x-amz-meta-a"] == "1,2"


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/2\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nA: b\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nA: b\rC: d\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"PUT / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: a miracle\r\n\r\n",
    ],
)
def test_a_head_that_is_not_clear_is_refused(raw: bytes) -> None:
    with pytest.raises(BadHead):
        heads.request(raw)


def test_a_field_of_blanks_is_read_at_once() -> None:
    """A pattern that backtracks over blanks takes days for this head, and blocks all requests."""
    raw = b"GET / HTTP/1.1\r\nHost: h\r\nA:" + b" \t" * (heads.MOST_BYTES // 2) + b"\x01\r\n\r\n"
    began = time.thread_time()
    with pytest.raises(BadHead):
        heads.request(raw)
    assert time.thread_time() - began < 1


@pytest.mark.parametrize(
    ("raw", "method", "bodiless"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "DELETE", True),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "GET", True),
    ],
)
def test_which_answers_have_a_body(raw: bytes, method: str, bodiless: bool) -> None:  # noqa: FBT001 (a parameter)
    assert heads.response(raw).is_bodiless(method) is bodiless
