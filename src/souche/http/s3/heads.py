"""Strict heads of HTTP/1.1 messages: anything that two readers could parse differently is refused. Source: RFC 9112,
sections 2 to 6. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

END: Final = b"\r\n\r\n"
MOST_BYTES: Final = 32 * 1024
"""of a head: four times S3's limit"""
FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00-\x08\x0a-\x1f\x7f]*)")
"""Spaces around the value are stripped afterwards: a pattern for them would be slow on crafted input."""
REQUEST: Final = re.compile(r"([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.([01])")
STATUS: Final = re.compile(r"HTTP/1\.[01] ([1-5][0-9]{2})(?: .*)?")
LENGTH: Final = re.compile("[0-9]{1,18}")
SINGLE: Final = frozenset({"content-length", "transfer-encoding", "host", "authorization", "expect"})


class BadHead(Exception):
    """A head that is not HTTP/1.1, or not safe to pass on. Internal to the door."""


@dataclass(frozen=True)
class Fields:
    """The header fields of a message, by their names in lower case, and how its body ends: after `length` bytes, by
    chunks, or (neither) as the message itself implies."""

    raw: bytes
    headers: Mapping[str, str]
    length: int | None
    chunked: bool

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this message."""
        return "close" in self.headers.get("connection", "").lower()


@dataclass(frozen=True)
class Request(Fields):
    """A request. `path` and `query` are as on the wire."""

    method: str
    path: str
    query: str
    old: bool

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.length)

    @property
    def closes(self) -> bool:
        return self.old or super().closes


@dataclass(frozen=True)
class Response(Fields):
    """The head of an answer."""

    status: int

    @property
    def is_interim(self) -> bool:
        """Whether the answer itself is still to come (100 Continue)."""
        return self.status < 200

    def is_bodiless(self, method: str) -> bool:
        return method == "HEAD" or self.status in (204, 304) or self.is_interim


def request(raw: bytes) -> Request:
    """Parse a request's head, blank line included.

    Raises:
        BadHead.
    """
    first, fields = _lines(raw)
    line = REQUEST.fullmatch(first)
    if line is None:
        raise BadHead("the request line is not one of HTTP/1.1")
    method, target, minor = line.groups()
    headers, length, chunked = _fields(fields)
    if "host" not in headers:
        raise BadHead("there is no Host header")
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise BadHead("the Expect header is not 100-continue")
    if chunked and minor == "0":
        raise BadHead("there are no chunks in HTTP/1.0")
    path, _, query = target.partition("?")
    return Request(raw, headers, length, chunked, method, path, query, minor == "0")


def response(raw: bytes) -> Response:
    """Parse an answer's head.

    Raises:
        BadHead.
    """
    first, fields = _lines(raw)
    line = STATUS.fullmatch(first)
    if line is None:
        raise BadHead("the status line is not one of HTTP/1.1")
    return Response(raw, *_fields(fields), int(line[1]))


def _lines(raw: bytes) -> tuple[str, list[bytes]]:
    first, *fields = raw[: -len(END)].split(b"\r\n")
    return first.decode("latin-1"), fields


def _fields(lines: list[bytes]) -> tuple[dict[str, str], int | None, bool]:
    headers: dict[str, str] = {}
    for line in lines:
        field = FIELD.fullmatch(line)
        if field is None:
            raise BadHead("a header field is malformed")
        name, value = field[1].decode().lower(), field[2].strip(b" \t").decode("latin-1")
        if name in headers:
            if name in SINGLE:
                raise BadHead(f"{name} occurs twice")
            value = f"{headers[name]},{value}"
        headers[name] = value
    return headers, *_framing(headers)


def _framing(headers: Mapping[str, str]) -> tuple[int | None, bool]:
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None and (length is not None or coding.lower() != "chunked"):
        raise BadHead("the length of the body is not clear")
    if length is None:
        return None, coding is not None
    if LENGTH.fullmatch(length) is None:
        raise BadHead("Content-Length is not a number")
    return int(length), False
