"""Who sent a request to S3: its signature of version 4, in the Authorization header or in the query.

The store checks the requests that it answers; this module checks those that the door answers. Source: "Authenticating
Requests (AWS Signature Version 4)".
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote

from souche.clock import Clock
from souche.http import signature
from souche.http.auth import KeyLookup
from souche.http.s3.answers import Refused
from souche.http.s3.heads import Request
from souche.http.signature import Signature, SignedRequest

UNSIGNED: Final = "UNSIGNED-PAYLOAD"
DIGEST: Final = "x-amz-content-sha256"
FORM: Final = "%Y%m%dT%H%M%SZ"
SKEW: Final = timedelta(minutes=15)
LONGEST: Final = 604_800


def is_signed(request: Request) -> bool:
    """Whether a request names a key, with any version of the signature."""
    return "authorization" in request.headers or "X-Amz-Credential=" in request.query


def caller(request: Request, body: bytes, keys: KeyLookup, clock: Clock) -> str:
    """The account that signed a request.

    Raises:
        Refused: the request is unsigned, or its signature is invalid.
    """
    if "authorization" in request.headers:
        signed, timestamp, covered = _by_header(request, body)
        lasts = SKEW
    elif "X-Amz-Credential=" in request.query:
        signed, timestamp, lasts, covered = _by_query(request)
    else:
        raise Refused("AccessDenied", "Access Denied.")
    _check_time(timestamp, lasts, clock.now())
    known = keys(signed.access_key_id)
    if known is None or not known.active or known.expired:
        raise Refused("InvalidAccessKeyId", "The access key ID does not exist in our records.")
    if signed.date != timestamp[:8] or not signature.matches(signed, covered, timestamp, known.secret):
        raise Refused("SignatureDoesNotMatch", "The request signature does not match the one that was sent.")
    return known.account_id


def _by_header(request: Request, body: bytes) -> tuple[Signature, str, SignedRequest]:
    signed = signature.parse(request.headers["authorization"])
    if signed is None or signed.scheme != "AWS4" or "host" not in signed.signed_headers:
        raise Refused(
            "AuthorizationHeaderMalformed", "A signature AWS4-HMAC-SHA256 over the host is expected."
        )
    said = request.headers.get(DIGEST, "")
    if said != UNSIGNED and said != hashlib.sha256(body).hexdigest():
        raise Refused("XAmzContentSHA256Mismatch", "x-amz-content-sha256 is not the SHA-256 of the body.")
    return signed, request.headers.get("x-amz-date", ""), _covered(request, request.query, body, said)


def _by_query(request: Request) -> tuple[Signature, str, timedelta, SignedRequest]:
    parts = [each for each in request.query.split("&") if each]
    said: Mapping[str, str] = {
        name: unquote(value) for name, _, value in (each.partition("=") for each in parts)
    }
    rest = "&".join(each for each in parts if not each.startswith("X-Amz-Signature="))
    names = said.get("X-Amz-SignedHeaders", "")
    authorization = (
        f"{said.get('X-Amz-Algorithm', '')} Credential={said.get('X-Amz-Credential', '')}, "
        f"SignedHeaders={names}, Signature={said.get('X-Amz-Signature', '')}"
    )
    signed, lasts = signature.parse(authorization), said.get("X-Amz-Expires", "")
    if signed is None or signed.scheme != "AWS4" or "host" not in signed.signed_headers:
        raise Refused("AuthorizationHeaderMalformed", "The signature in the query is malformed.")
    if not lasts.isdecimal() or not 0 < int(lasts) <= LONGEST:
        raise Refused("AuthorizationHeaderMalformed", f"X-Amz-Expires is a number from 1 to {LONGEST}.")
    covered = _covered(request, rest, b"", request.headers.get(DIGEST, UNSIGNED))
    return signed, said.get("X-Amz-Date", ""), timedelta(seconds=int(lasts)), covered


def _covered(request: Request, query: str, body: bytes, digest: str) -> SignedRequest:
    covered = SignedRequest(request.method, request.path, query, request.headers, body)
    return replace(covered, body_digest=digest)


def _check_time(timestamp: str, lasts: timedelta, now: datetime) -> None:
    try:
        sent = datetime.strptime(timestamp, FORM).replace(tzinfo=UTC)
    except ValueError as error:
        raise Refused("AccessDenied", "X-Amz-Date should have the form 20260131T235959Z.") from error
    if not sent - SKEW <= now <= sent + lasts:
        raise Refused(
            "RequestTimeTooSkewed", "The request's time is too far from the server's, or has expired."
        )
