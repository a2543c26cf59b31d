"""One request: reading, logging and answering it."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from starlette.types import Message, Receive, Scope, Send

from souche.api.protocol.request_errors import BodyCutOff, BodyTooLarge
from souche.http.signature import SignedRequest

# UserData has up to 500 KiB (reference section 6), 667 KiB in base64. This leaves room for the other parameters.
BODY_LIMIT: Final = 1024 * 1024

# Bytes of a refused body that are still read, so that the client reads the refusal.
DRAIN_LIMIT: Final = 16 * BODY_LIMIT

JSON: Final = (b"content-type", b"application/json")
ANY_ORIGIN: Final = (b"access-control-allow-origin", b"*")
"""on every answer: without it a browser hides the answer from the requesting page"""
SLASHES: Final = re.compile("/{2,}")

log = structlog.get_logger("souche.requests")


@dataclass
class Exchange:
    """A request and its outcome. `started`: seconds of the monotonic clock. `request`: None until it is read."""

    request_id: str
    action: str
    account_id: str | None = None
    access_key_id: str | None = None
    status: int = 200
    code: str = ""
    retry_seconds: int | None = None
    request: SignedRequest | None = None
    answer: bytes = b""
    started: float = field(default_factory=time.perf_counter)

    def log(self) -> None:
        """Write its line to the log of the process. Parameters and credentials have no place in it."""
        log.info(
            "request",
            request_id=self.request_id,
            action=self.action,
            account_id=self.account_id,
            access_key_id=self.access_key_id,
            status=self.status,
            code=self.code,
            milliseconds=round((time.perf_counter() - self.started) * 1000, 2),
        )


async def read_request(scope: Scope, receive: Receive) -> SignedRequest:
    """The request as its signature covers it.

    Raises:
        BodyCutOff: the client went away before its end.
        BodyTooLarge: it was read, but not kept.
    """
    return SignedRequest(
        method=scope["method"],
        path=SLASHES.sub("/", scope["raw_path"].decode("latin-1")),
        query=scope["query_string"].decode("latin-1"),
        headers=_headers(scope["headers"]),
        body=await _read_body(receive),
        address=(scope.get("client") or ("",))[0],
    )


def _headers(pairs: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Headers by lower-case name, as ASGI gives them; repeated ones are joined (RFC 9110, 5.2)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


async def _read_body(receive: Receive) -> bytes:
    """
    Raises:
        BodyCutOff: the client went away. The received part must not count as a request with a wrong signature.
        BodyTooLarge.
    """
    parts: list[bytes] = []
    size = 0
    more = True
    while more and size <= DRAIN_LIMIT:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyCutOff
        part = message.get("body", b"")
        size += len(part)
        if size <= BODY_LIMIT:
            parts.append(part)
        more = message.get("more_body", False)
    if size > BODY_LIMIT:
        raise BodyTooLarge(limit=BODY_LIMIT)
    return b"".join(parts)


async def send_json(send: Send, status: int, body: bytes, retry_seconds: int | None = None) -> None:
    """Answer with a JSON text, and with when to try again."""
    headers = [JSON, ANY_ORIGIN, (b"content-length", b"%d" % len(body))]
    if retry_seconds is not None:
        headers.append((b"retry-after", b"%d" % retry_seconds))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
