"""Paths, bodies, shapes and envelopes."""

import contextlib
import http.client
import re
import socket
from dataclasses import replace

import pytest

from souche.http.exchange import BODY_LIMIT
from tests.wire.answers import check_answer, check_error
from tests.wire.server import REGION_NAME, Server
from tests.wire.signing import OSC_SDK_PYTHON

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_an_answer_is_json_of_the_specification_with_a_request_id(server: Server) -> None:
    answer = server.call("ReadSubregions")
    assert answer.headers["content-type"] == "application/json"
    check_answer("ReadSubregions", answer.json)
    assert UUID.fullmatch(answer.json["ResponseContext"]["RequestId"])
    assert answer.json["Subregions"][0]["SubregionName"] == f"{REGION_NAME}a"


@pytest.mark.parametrize("body", [b"", b"{}", b" \n", b'{"Filters": null}', b'{"Filters": {"States": null}}'])
def test_an_empty_body_and_what_is_null_say_nothing(server: Server, body: bytes) -> None:
    assert server.call("ReadSubregions", body).status == 200


def test_dry_run_answers_the_context_only(server: Server) -> None:
    answer = server.call("ReadSubregions", b'{"DryRun": true}')
    assert (answer.status, list(answer.json)) == (200, ["ResponseContext"])


REFUSED = [
    (b"[]", "4110", "not a JSON object"),
    (b"{", "4110", "not a JSON object"),
    (b'{"a": "\xff"}', "4110", "not a JSON object"),
    (b"[" * 5000, "4110", "not a JSON object"),
    (b'{"a":' * 400 + b"1" + b"}" * 400, "4110", "nested too deeply"),
    (b'{"Nonsense": 1}', "3001", "'Nonsense' is unknown"),
    (b'{"DryRun": "true", "Nonsense": 1}', "3001", "'Nonsense' is unknown"),
    (b'{"Filters": {"Nonsense": 1}}', "3001", "'Filters.Nonsense' is unknown"),
    (b'{"DryRun": "true"}', "4110", "'DryRun' should be of the type boolean, not string"),
    (b'{"Filters": {"States": "x"}}', "4110", "'Filters.States' should be of the type array, not string"),
    (b'{"Filters": {"States": [1]}}', "4110", "'Filters.States[0]' should be of the type string"),
    (b'{"Filters": {"States": [null]}}', "4110", "not null"),
    (b'{"a":' * 240 + b'{"b": null}' + b"}" * 240, "3001", "'a' is unknown"),
    (b'{"a":' * 1500 + b'"\\u0000"' + b"}" * 1500, "4110", "not a JSON object"),
    (b'{"a":' * 900 + b'""' + b"}" * 900, "4110", "not a JSON object"),
    (b'{"ResultsPerPage": 1.0}', "4110", "'ResultsPerPage' should be of the type integer, not number"),
    (b'{"ResultsPerPage": 0}', "4047", "'ResultsPerPage'"),
    (b'{"ResultsPerPage": 1001}', "4047", "'ResultsPerPage'"),
    (b'{"ResultsPerPage": 123456789012345678901234567890}', "4047", "'ResultsPerPage'"),
    (b'{"NextPageToken": "!"}', "4047", "NextPageToken"),
    (b'{"Filters": {"States": ["a\\u0000b"]}}', "4047", "NUL"),
]


@pytest.mark.parametrize(("body", "code", "details"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_body_of_another_shape_is_refused(server: Server, body: bytes, code: str, details: str) -> None:
    answer = server.call("ReadSubregions", body)
    check_error(answer.json)
    error = answer.json["Errors"][0]
    kind = "InvalidParameter" if code == "3001" else "InvalidParameterValue"
    assert (answer.status, error["Type"], error["Code"]) == (400, kind, code)
    assert details in error["Details"]


def test_a_backslash_is_not_a_nul(server: Server) -> None:
    assert server.call("ReadSubregions", rb'{"Filters": {"States": ["\\u0000"]}}').status == 200


def test_a_huge_body_is_refused(server: Server) -> None:
    answer = server.call("ReadSubregions", b'{"Filters": {"States": ["' + b"x" * BODY_LIMIT + b'"]}}')
    check_error(answer.json)
    assert answer.status == 413


@pytest.mark.parametrize(
    "more", [b"a" * 10_000, b"\r\nX-Name: " + b"a" * 10_000], ids=["one header", "many headers"]
)
def test_a_head_without_end_is_refused(server: Server, more: bytes) -> None:
    """It is read before the signature is checked."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"POST /api/v1/ReadVms HTTP/1.1\r\nHost: x\r\nX-Name: ")
        with pytest.raises(ConnectionError):
            client.sendall(more * 1000)


def test_a_long_head_is_read_and_the_next_one_too(server: Server) -> None:
    headers = {"X-Name": "a" * 50_000}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as client:
        for _ in range(3):
            client.request("POST", "/api", b" " * 100_000, headers)
            answer = client.getresponse()
            answer.read()
            assert answer.status == 200


def test_user_data_of_its_full_size_fits(server: Server) -> None:
    body = b'{"Filters": {"States": ["' + b"x" * (500 * 1024 * 4 // 3 + 4) + b'"]}}'
    assert server.call("ReadSubregions", body).status == 200


@pytest.mark.parametrize(
    ("action", "status", "kind", "code"),
    [
        ("Nonsense", 404, "InvalidAction", "12000"),
        ("CreateLoadBalancer", 400, "OperationNotSupported", "8000"),
    ],
)
def test_an_unknown_action_and_one_that_is_not_done_are_refused(
    server: Server, action: str, status: int, kind: str, code: str
) -> None:
    answer = server.call(action)
    check_error(answer.json)
    error = answer.json["Errors"][0]
    assert (answer.status, error["Type"], error["Code"]) == (status, kind, code)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_tolerated(server: Server, content_type: str) -> None:
    form = replace(OSC_SDK_PYTHON, headers={"content-type": content_type})
    assert server.call("ReadSubregions", form=form).status == 200


@pytest.mark.parametrize("path", ["/", "/ReadImages", "/api/v2/ReadImages", "/api/v1/a/b", "/oapi"])
def test_a_wrong_path_is_not_found(server: Server, path: str) -> None:
    answer = server.send("POST", path, b"{}")
    check_error(answer.json)
    assert answer.status == 404
    assert answer.json["Errors"][0]["Details"].startswith("The requested service path")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_is_refused(server: Server, method: str) -> None:
    answer = server.send(method, "/api/v1/ReadRegions")
    check_error(answer.json)
    error = answer.json["Errors"][0]
    assert (answer.status, error["Type"], error["Code"]) == (405, "AccessDenied", "2")


def test_options_tells_what_browsers_ask_for(server: Server) -> None:
    headers = {"Access-Control-Request-Headers": "authorization,content-type,x-osc-date"}
    answer = server.send("OPTIONS", "/api/v1/ReadRegions", headers=headers)
    assert answer.status == 204
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type,x-osc-date"
    assert answer.headers["access-control-allow-methods"] == "OPTIONS,POST"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-max-age"] == "86400"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "ReadRegions", 200), ("GET", "ReadRegions", 405), ("POST", "ReadVms", 401), ("POST", "X", 404)],
)
def test_every_answer_may_be_read_by_a_browser(server: Server, method: str, path: str, status: int) -> None:
    """Its call passes the preflight, and fails where the answer itself does not say so."""
    answer = server.send(method, f"/api/v1/{path}", b"{}")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "*")


def test_versions_and_calls_are_told_unsigned(server: Server) -> None:
    assert server.send("GET", "/api").json == {"Versions": ["v1"]}
    calls = server.send("GET", "/api/v1").json
    assert calls["Version"] == "1.42.0"
    assert "ReadRegions" in calls["Calls"]


def test_souche_has_its_own_path(server: Server) -> None:
    answer = server.send("POST", "/souche/v1/Nonsense", b"{}")
    assert (answer.status, answer.json["Errors"][0]["Code"]) == (404, "12000")
