"""Who may call what, and what a refusal tells."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from souche.api import spec
from tests.wire.answers import check_answer, check_error
from tests.wire.server import Server, new_app, serving
from tests.wire.signing import FORMS, SECRET_KEY, ClientForm, sign

WRONG = "W" * 40


@pytest.fixture
def fresh() -> Iterator[Server]:
    """A server that has seen no failed attempt."""
    with serving(new_app()) as running:
        yield running


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_client_gets_in(server: Server, form: ClientForm) -> None:
    answer = server.call("ReadSubregions", form=form)
    assert answer.status == 200
    check_answer("ReadSubregions", answer.json)


def test_unsigned(server: Server) -> None:
    answer = server.send("POST", "/api/v1/ReadSubregions", b"{}")
    assert (answer.status, answer.json["Errors"][0]["Code"]) == (401, "1")
    assert answer.headers["content-type"] == "application/json"
    check_error(answer.json)


def test_eight_actions_need_no_credentials() -> None:
    assert sorted(name for name in spec.document()["actions"] if spec.access(name) == "none") == [
        "ReadFlexibleGpuCatalog",
        "ReadLocations",
        "ReadNetAccessPointServices",
        "ReadProductTypes",
        "ReadPublicCatalog",
        "ReadPublicIpRanges",
        "ReadRegions",
        "ReadVmTypes",
    ]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic eA=="}, {"Authorization": "nonsense"}])
def test_bad_credentials_are_none_where_none_are_needed(server: Server, headers: dict[str, str]) -> None:
    assert server.send("POST", "/api/v1/ReadRegions", b"", headers).status == 200
    assert server.call("ReadVmTypes", secret=WRONG).status == 200


def test_unknown_unusable_and_wrong_keys_look_alike(fresh: Server) -> None:
    answers = [
        fresh.call("ReadSubregions", secret=WRONG),
        fresh.call("ReadSubregions", key_id="UNKNOWN0000000000000"),
        fresh.call("ReadSubregions", key_id="INACTIVE000000000000"),
        fresh.call("ReadSubregions", key_id="EXPIRED0000000000000"),
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({str(answer.json["Errors"]) for answer in answers}) == 1


@pytest.mark.parametrize(("seconds", "status"), [(-299, 200), (-310, 401), (1, 200), (10, 401)])
def test_clock_window(server: Server, seconds: int, status: int) -> None:
    when = datetime.now(UTC) + timedelta(seconds=seconds)
    assert server.call("ReadSubregions", when=when).status == status


def test_a_wrong_clock_is_told(server: Server) -> None:
    when = datetime.now(UTC) - timedelta(days=1)
    error = server.call("ReadSubregions", when=when).json["Errors"][0]
    assert "Check the client's clock" in error["Details"]


def test_four_failures_lock_a_key_known_or_not(fresh: Server) -> None:
    for key_id in ("A" * 20, "UNKNOWN0000000000000"):
        for _ in range(4):
            assert fresh.call("ReadSubregions", secret=WRONG, key_id=key_id).json["Errors"][0]["Code"] == "1"
        locked = fresh.call("ReadSubregions", key_id=key_id)
        assert (locked.status, locked.json["Errors"][0]["Code"]) == (401, "13")


def test_a_success_forgets_failures(fresh: Server) -> None:
    for secret in (WRONG, WRONG, WRONG, SECRET_KEY, WRONG, WRONG, WRONG):
        fresh.call("ReadSubregions", secret=secret)
    assert fresh.call("ReadSubregions").status == 200


def test_passwords_open_nothing(server: Server) -> None:
    headers = {"Authorization": "Basic " + base64.b64encode(b"me@example.org:secret").decode()}
    answer = server.send("POST", "/api/v1/ReadSubregions", b"{}", headers)
    assert (answer.status, answer.json["Errors"][0]["Code"]) == (401, "1")
    assert "signatures only" in answer.json["Errors"][0]["Details"]


@pytest.mark.parametrize("missing", ["host", "date"])
def test_a_signature_has_to_cover_enough(server: Server, missing: str) -> None:
    form = ClientForm("odd", "OSC4", "eu-test-1", "api", {})
    headers = sign(form, server.netloc, "/api/v1/ReadSubregions", b"{}")
    if missing == "host":
        headers["Authorization"] = headers["Authorization"].replace("host;", "")
    else:
        del headers["X-Osc-Date"]
    answer = server.send("POST", "/api/v1/ReadSubregions", b"{}", headers)
    assert answer.status == 401
    assert "does not cover" in answer.json["Errors"][0]["Details"]
