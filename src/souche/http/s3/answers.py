"""Answers of S3, and its errors (S3, "Error responses")."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from xml.sax.saxutils import escape

XML: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'

STATUSES: Final[Mapping[str, int]] = {
    "AccessControlListNotSupported": 400,
    "AccessDenied": 403,
    "AuthorizationHeaderMalformed": 400,
    "BucketAlreadyExists": 409,
    "BucketAlreadyOwnedByYou": 409,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidBucketName": 400,
    "InvalidRequest": 400,
    "InvalidURI": 400,
    "MalformedPolicy": 400,
    "MalformedXML": 400,
    "EntityTooLarge": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchBucketPolicy": 404,
    "NoSuchKey": 404,
    "NotImplemented": 501,
    "RequestTimeTooSkewed": 403,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "TooManyBuckets": 400,
    "XAmzContentSHA256Mismatch": 400,
}


class Refused(Exception):
    """A refused request, with S3's own code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def answer(self) -> "Answer":
        body = (
            f"{XML}<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message>"
            f"<RequestId>{secrets.token_hex(8).upper()}</RequestId></Error>"
        )
        return Answer(STATUSES[self.code], body.encode(), {"Content-Type": "application/xml"})


@dataclass(frozen=True)
class Answer:
    """An answer of the door itself."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self, *, bodiless: bool, last: bool) -> bytes:
        """The answer's bytes. `bodiless`: to a HEAD. `last`: the connection ends with it."""
        headers = {**self.headers, "Connection": "close" if last else "keep-alive"}
        if self.status != HTTPStatus.NO_CONTENT:
            headers["Content-Length"] = str(len(self.body))
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = "1"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n{lines}\r\n".encode("latin-1")
        return head if bodiless else head + self.body
