"""ReadApiLogs (specification; docs/compatibility.md says what differs)."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from souche.api.protocol import spec
from souche.app.context.region import Region
from souche.model.accounts import Principal
from tests.support.client import Client, parameter, unsupported, value
from tests.support.region import START
from tests.test_audit_reader import BOB, line, write

DAY = 24 * 3600


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def wrote(log: Path, who: Principal, number: int, **more: object) -> None:
    facts = {
        "action": "ReadVms",
        "access_key_id": "A" * 20,
        "address": "192.0.2.7",
        "user_agent": "octl",
        "request_bytes": 2,
        "answer_bytes": 99,
        "status": 200,
        "milliseconds": 1.25,
    }
    write(log, line(number, who.account_id, **{**facts, **more}))


def ids(client: Client, **parameters: object) -> list[str]:
    return [each["RequestId"] for each in client("ReadApiLogs", **parameters)["Logs"]]


def test_a_call_is_shown_without_header_and_payload(client: Client, alice: Principal, log: Path) -> None:
    wrote(log, alice, 0)
    write(log, line(1, BOB))
    assert client("ReadApiLogs")["Logs"] == [
        {
            "AccountId": alice.account_id,
            "CallDuration": 1250,
            "QueryAccessKey": "A" * 20,
            "QueryApiName": "oapi",
            "QueryApiVersion": spec.version(),
            "QueryCallName": "ReadVms",
            "QueryDate": "2026-11-24T10:00:00.000Z",
            "QueryIpAddress": "192.0.2.7",
            "QueryPayloadSize": 2,
            "QueryUserAgent": "octl",
            "RequestId": "r-0",
            "ResponseSize": 99,
            "ResponseStatusCode": 200,
        }
    ]
    assert client("ReadApiLogs", With={"RequestId": True, "QueryDate": False})["Logs"] == [
        {"RequestId": "r-0"}
    ]


def test_a_line_of_an_earlier_souche_has_no_sizes(client: Client, alice: Principal, log: Path) -> None:
    write(log, line(0, alice.account_id))
    (shown,) = client("ReadApiLogs")["Logs"]
    assert "ResponseSize" not in shown


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"QueryCallNames": ["CreateVms", "StopVms"]}, ["r--1"]),
        ({"QueryAccessKeys": ["B" * 20]}, ["r--1"]),
        ({"QueryIpAddresses": ["198.51.100.1"]}, ["r--1"]),
        ({"QueryUserAgents": ["terraform"]}, ["r--1"]),
        ({"ResponseStatusCodes": [400, 409]}, ["r--1"]),
        ({"RequestIds": ["r--1"]}, ["r--1"]),
        ({"QueryApiNames": ["oapi"]}, ["r-0", "r--1"]),
        ({"QueryApiNames": ["fcu"]}, []),
        ({"QueryCallNames": ["CreateVms"], "ResponseStatusCodes": [200]}, []),
        ({"QueryCallNames": []}, ["r-0", "r--1"]),
    ],
)
def test_filters(
    client: Client, alice: Principal, log: Path, filters: dict[str, list[object]], found: list[str]
) -> None:
    other = {"access_key_id": "B" * 20, "address": "198.51.100.1", "user_agent": "terraform"}
    wrote(log, alice, -1, action="CreateVms", status=409, **other)
    wrote(log, alice, 0)
    assert ids(client, Filters=filters) == found


def test_two_days_are_shown_unless_both_ends_are_given(client: Client, alice: Principal, log: Path) -> None:
    days = {number: (START + timedelta(days=number)).date().isoformat() for number in range(-5, 1)}
    for number in range(-5, 1):
        wrote(log, alice, number * DAY)
    shown = {number: f"r-{number * DAY}" for number in days}
    assert ids(client) == [shown[each] for each in (0, -1, -2)]
    after = {"QueryDateAfter": days[-4]}
    assert ids(client, Filters=after) == [shown[each] for each in (-3, -4)]
    assert ids(client, Filters={"QueryDateBefore": f"{days[-3]}T12:00:00Z"}) == [shown[-3], shown[-4]]
    assert ids(client, Filters={**after, "QueryDateBefore": days[-4]}) == [shown[-4]]
    whole = {"QueryDateAfter": days[-5], "QueryDateBefore": days[0]}
    assert len(ids(client, Filters=whole)) == 6


def test_pages(client: Client, alice: Principal, log: Path) -> None:
    for number in range(3):
        wrote(log, alice, number - 10)
    first = client("ReadApiLogs", ResultsPerPage=2)
    assert [each["RequestId"] for each in first["Logs"]] == ["r--8", "r--9"]
    second = client("ReadApiLogs", ResultsPerPage=2, NextPageToken=first["NextPageToken"])
    assert [each["RequestId"] for each in second["Logs"]] == ["r--10"]
    assert "NextPageToken" not in second


def test_what_is_wrong_is_refused(client: Client) -> None:
    date = {"QueryDateAfter": "2026-99-01"}
    assert client.refusal("ReadApiLogs", Filters=date).row in (parameter(4047), value(4047))
    for token in ("x", "eA==", "eCAtMQ=="):
        assert client.refusal("ReadApiLogs", NextPageToken=token).row == value(4047)


def test_a_region_whose_audit_log_is_in_no_file_says_so(region: Region, alice: Principal) -> None:
    without = Client(replace(region, api_logs=None), alice)
    assert without.refusal("ReadApiLogs").row == unsupported(8000)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize(
    "names", [("QueryDateAfter",), ("QueryDateBefore",), ("QueryDateAfter", "QueryDateBefore")]
)
def test_the_first_and_the_last_day_of_the_calendar_can_be_asked_for(
    client: Client, alice: Principal, log: Path, day: str, names: tuple[str, ...]
) -> None:
    wrote(log, alice, 0)
    assert ids(client, Filters=dict.fromkeys(names, day)) == []
