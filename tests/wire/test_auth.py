"""Who may call what, and what a refusal tells."""

import base64
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest

from souche.api.protocol import spec
from souche.api.protocol.dispatch import Access
from souche.api.protocol.request_errors import WrongClock
from souche.http.attempts import RememberedAttempts
from souche.http.auth import Authenticator
from souche.http.signature import SignedRequest
from tests.support.region import START, ManualClock
from tests.wire.answers import check_answer, check_error
from tests.wire.server import KEYS, Server, new_app, serving
from tests.wire.signing import FORMS, OSC_SDK_PYTHON, SECRET_KEY, ClientForm, sign

WRONG = "W" * 40
UNKNOWN = "UNKNOWN0000000000000"


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


def test_an_unsigned_request_is_refused(server: Server) -> None:
    answer = server.send("POST", "/api/v1/ReadSubregions", b"{}")
    error = answer.json["Errors"][0]
    assert (answer.status, error["Type"], error["Code"]) == (401, "AccessDenied", "1")
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


def test_a_key_that_is_unknown_is_told_so_and_never_locked(fresh: Server) -> None:
    """There is no secret to guess."""
    for _ in range(6):
        answer = fresh.call("ReadSubregions", key_id=UNKNOWN)
        error = answer.json["Errors"][0]
        assert (answer.status, error["Type"], error["Code"]) == (400, "InvalidParameterValue", "4120")
    check_error(answer.json)
    assert fresh.call("ReadVmTypes", key_id=UNKNOWN).status == 200


def test_inactive_expired_and_wrong_keys_are_refused_alike(fresh: Server) -> None:
    answers = [
        fresh.call("ReadSubregions", secret=WRONG),
        fresh.call("ReadSubregions", key_id="INACTIVE000000000000"),
        fresh.call("ReadSubregions", key_id="EXPIRED0000000000000"),
    ]
    assert {answer.status for answer in answers} == {401}
    (error,) = {str(answer.json["Errors"]) for answer in answers}
    assert "'Type': 'AccessDenied'" in error
    assert "'Code': '1'" in error


@pytest.mark.parametrize(("seconds", "status"), [(-299, 200), (-310, 401), (1, 200), (10, 401)])
def test_a_date_out_of_the_clock_window_is_refused(server: Server, seconds: int, status: int) -> None:
    when = datetime.now(UTC) + timedelta(seconds=seconds)
    answer = server.call("ReadSubregions", when=when)
    assert answer.status == status
    if status == 401:
        error = answer.json["Errors"][0]
        assert (error["Type"], error["Code"]) == ("AccessDenied", "1")


@pytest.mark.parametrize(
    ("seconds", "accepted"), [(-300, True), (-301, False), (0, True), (2, True), (3, True), (4, False)]
)
def test_the_clock_window_is_5_minutes_back_and_3_seconds_ahead(
    seconds: int,
    accepted: bool,  # noqa: FBT001
) -> None:
    clock = ManualClock()
    path, netloc = "/api/v1/ReadVms", "127.0.0.1:8080"
    headers = sign(OSC_SDK_PYTHON, netloc, path, b"{}", when=START + timedelta(seconds=seconds))
    lowered = {"host": netloc, **{name.lower(): text for name, text in headers.items()}}
    request = SignedRequest("POST", path, "", lowered, b"{}")
    authenticator = Authenticator(KEYS.get, clock, RememberedAttempts())
    with nullcontext() if accepted else pytest.raises(WrongClock):
        assert authenticator.caller(Access.KEY, request) is not None


class NothingToForget(RememberedAttempts):
    def forget(self, access_key_id: str, now: datetime) -> int:
        raise AssertionError(access_key_id, now)


def test_a_success_without_failures_before_it_forgets_nothing() -> None:
    """Which would be a transaction for each request, where failures are in the database."""
    path, netloc = "/api/v1/ReadVms", "127.0.0.1:8080"
    headers = sign(OSC_SDK_PYTHON, netloc, path, b"{}", when=START)
    lowered = {"host": netloc, **{name.lower(): text for name, text in headers.items()}}
    authenticator = Authenticator(KEYS.get, ManualClock(), NothingToForget())
    assert authenticator.caller(Access.KEY, SignedRequest("POST", path, "", lowered, b"{}")) is not None


@pytest.mark.parametrize("date", ["20200101", "x", ""])
def test_the_date_of_the_scope_is_that_of_the_request(server: Server, date: str) -> None:
    """A signing key of one day, which may have leaked, is no good on another."""
    answer = server.call("ReadSubregions", scope_date=date)
    assert (answer.status, answer.json["Errors"][0]["Code"]) == (401, "1")
    assert server.call("ReadSubregions").status == 200


def test_a_wrong_clock_is_told(server: Server) -> None:
    when = datetime.now(UTC) - timedelta(days=1)
    error = server.call("ReadSubregions", when=when).json["Errors"][0]
    assert "Check the client's clock" in error["Details"]


def test_four_failures_lock_a_key(fresh: Server) -> None:
    for _ in range(4):
        assert fresh.call("ReadSubregions", secret=WRONG).json["Errors"][0]["Code"] == "1"
    locked = fresh.call("ReadSubregions")
    error = locked.json["Errors"][0]
    assert (locked.status, error["Type"], error["Code"]) == (401, "AccessDenied", "13")


def test_a_success_forgets_failures(fresh: Server) -> None:
    for secret in (WRONG, WRONG, WRONG, SECRET_KEY, WRONG, WRONG, WRONG):
        fresh.call("ReadSubregions", secret=secret)
    assert fresh.call("ReadSubregions").status == 200


def test_a_login_and_password_open_nothing(server: Server) -> None:
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
