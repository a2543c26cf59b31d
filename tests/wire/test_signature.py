"""Vectors that others computed, and every client's form."""

import dataclasses

import pytest

from souche.http import signature
from souche.http.signature import SignedRequest
from tests.wire.signing import FORMS, SECRET_KEY, ClientForm, sign

# From AWS's published Signature Version 4 test suite (aws-sig-v4-test-suite).
SUITE_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SUITE_TIMESTAMP = "20150830T123600Z"
SUITE = [
    ("GET", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("POST", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    (
        "GET",
        "Param2=value2&Param1=value1",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
]


@pytest.mark.parametrize(("method", "query", "digest"), SUITE)
def test_aws_vectors(method: str, query: str, digest: str) -> None:
    headers = {"host": "example.amazonaws.com", "x-amz-date": SUITE_TIMESTAMP}
    request = SignedRequest(method, "/", query, headers, b"")
    signed = signature.parse(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={digest}"
    )
    assert signed is not None
    assert signature.matches(signed, request, SUITE_TIMESTAMP, SUITE_SECRET)
    assert not signature.matches(signed, request, SUITE_TIMESTAMP, SUITE_SECRET + "x")


def _signed(form: ClientForm) -> SignedRequest:
    path = f"{form.prefix}/ReadVms"
    headers = sign(form, "127.0.0.1:8080", path, b"{}")
    lowered = {name.lower(): value for name, value in headers.items()}
    return SignedRequest("POST", path, "", {"host": "127.0.0.1:8080", **lowered}, b"{}")


def _verify(request: SignedRequest, form: ClientForm) -> bool:
    signed = signature.parse(request.headers["authorization"])
    assert signed is not None
    return signature.matches(signed, request, request.headers[form.date_header.lower()], SECRET_KEY)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_client_is_understood(form: ClientForm) -> None:
    assert _verify(_signed(form), form)


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"{} "},
        {"path": "/api/v1/DeleteVms"},
        {"method": "PUT"},
        {"query": "a=b"},
        {"host": "127.0.0.2:8080"},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_what_is_signed_cannot_change(form: ClientForm, change: dict[str, object]) -> None:
    request = _signed(form)
    if "host" in change:
        change = {"headers": {**request.headers, **change}}
    assert not _verify(dataclasses.replace(request, **change), form)  # type: ignore[arg-type]  # one field each


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer x",
        "OSC4-HMAC-SHA256",
        "OSC4-HMAC-SHA256 Credential=A/1/r/s/osc4_request, SignedHeaders=host, Signature=00",
        f"OSC4-HMAC-SHA256 Credential=A//r/s/osc4_request, SignedHeaders=host, Signature={'0' * 64}",
        f"OSC4-HMAC-SHA256 Credential={'A' * 129}/1/r/s/osc4_request, SignedHeaders=host, Signature={'0' * 64}",
        f"OSC4-HMAC-SHA256 Credential=A/1/{'r' * 129}/s/osc4_request, SignedHeaders=host, Signature={'0' * 64}",
        f"OSC4-HMAC-SHA256 Credential=A/1/r/s/osc4_request, SignedHeaders=host;A;a, Signature={'0' * 64}",
        f"OSC5-HMAC-SHA256 Credential=A/1/r/s/osc4_request, SignedHeaders=host, Signature={'0' * 64}",
    ],
)
def test_other_forms_are_not_read(header: str) -> None:
    assert signature.parse(header) is None


def test_ports_of_ipv6_hosts() -> None:
    assert signature.without_port("[::1]:8080") == "[::1]"
    assert signature.without_port("[::1]") == "[::1]"
    assert signature.without_port("region.local") == "region.local"
