"""OSC4-HMAC-SHA256 and AWS4-HMAC-SHA256: one algorithm with two sets of names. Pure.

Source: reference section 1, "Authentication", and clients.md section 1. The scope and the signed headers are used as
the client sent them: curl derives region and service from the host's name, and no two clients sign the same headers.
`host` is tried as it was sent and without its port: osc-sdk-python signs the latter.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

# Bounds the lengths of the key id and the scope: both are cached even for requests with a wrong signature.
AUTHORIZATION: Final = re.compile(
    r"(?P<scheme>OSC4|AWS4)-HMAC-SHA256 +"
    r"Credential=(?P<key>[^/,\s]{1,128})/"
    r"(?P<scope>(?P<date>[^/,\s]{1,128})/(?P<region>[^/,]{0,128})/(?P<service>[^/,]{0,128})/"
    r"(?P<terminator>osc4_request|aws4_request)), *"
    r"SignedHeaders=(?P<headers>[^,\s]+), *"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class SignedRequest:
    """The data that a signature covers. `path` and `query` are as on the wire; `headers` have lowercase names.
    `body_digest`: the text signed instead of the body's SHA-256 (S3). `address`: the request's source, which no
    signature covers."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    body_digest: str | None = None
    address: str = ""


@dataclass(frozen=True)
class Signature:
    """A parsed Authorization header. `scheme` is "OSC4" or "AWS4"."""

    scheme: str
    access_key_id: str
    scope: str
    date: str
    region: str
    service: str
    terminator: str
    signed_headers: tuple[str, ...]
    hex_digest: str


def parse(authorization: str) -> Signature | None:
    """Take an Authorization header apart; None when it is of another form, or names a header twice: each time its value
    would be put into the canonical request again, which a head of 64 KiB made a gigabyte of."""
    said = AUTHORIZATION.fullmatch(authorization.strip())
    if said is None:
        return None
    scheme, key, scope, date, region, service, terminator, names, digest = said.groups()
    signed_headers = tuple(names.lower().split(";"))
    if len(set(signed_headers)) != len(signed_headers):
        return None
    return Signature(scheme, key, scope, date, region, service, terminator, signed_headers, digest)


def matches(signature: Signature, request: SignedRequest, timestamp: str, secret: str) -> bool:
    """Whether the secret made this signature of this request, under either spelling of its host."""
    key = signing_key(
        signature.scheme, secret, signature.date, signature.region, signature.service, signature.terminator
    )
    return any(
        hmac.compare_digest(_sign(key, signature, timestamp, canonical), signature.hex_digest)
        for canonical in canonical_requests(request, signature.signed_headers)
    )


@lru_cache(maxsize=1024)
def signing_key(scheme: str, secret: str, date: str, region: str, service: str, terminator: str) -> bytes:
    """The signing key of one day, region and service. Worth caching: it takes four of a request's five HMACs."""
    key = (scheme + secret).encode()
    for part in (date, region, service, terminator):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _sign(key: bytes, signature: Signature, timestamp: str, canonical: str) -> str:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{signature.scheme}-HMAC-SHA256\n{timestamp}\n{signature.scope}\n{digest}"
    return hmac.digest(key, text.encode(), "sha256").hex()


def canonical_requests(request: SignedRequest, signed_headers: tuple[str, ...]) -> Iterator[str]:
    """The canonical request under each spelling of the host that the client may have signed."""
    sent = request.headers.get("host", "")
    body_digest = request.body_digest or hashlib.sha256(request.body).hexdigest()
    yield _canonical(request, signed_headers, sent, body_digest)
    if (bare := without_port(sent)) != sent:
        yield _canonical(request, signed_headers, bare, body_digest)


def _canonical(request: SignedRequest, signed_headers: tuple[str, ...], host: str, body_digest: str) -> str:
    headers = "".join(
        f"{name}:{host if name == 'host' else ' '.join(request.headers.get(name, '').split())}\n"
        for name in signed_headers
    )
    return "\n".join(
        (
            request.method,
            request.path,
            _canonical_query(request.query),
            headers,
            ";".join(signed_headers),
            body_digest,
        )
    )


def _canonical_query(query: str) -> str:
    """Parameters in order, each with its equals sign. The clients' own calls have none."""
    if not query:
        return ""
    return "&".join(sorted(part if "=" in part else f"{part}=" for part in query.split("&") if part))


def without_port(host: str) -> str:
    """The host's name alone: `[::1]:8080` is `[::1]`."""
    return re.sub(r":\d+$", "", host)
