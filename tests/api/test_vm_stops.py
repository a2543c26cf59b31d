"""ReadVmsStopHistory."""

from datetime import timedelta

import pytest

from souche.app.context.region import Region
from souche.db import vm_stops
from souche.model.vms import Vm
from tests.support.client import Client, value
from tests.support.region import START, make_account
from tests.support.resources import make_vm

USER = "Client.UserInitiatedShutdown: User initiated shutdown"
GUEST = "Client.InstanceInitiatedShutdown: Instance initiated shutdown"


def stop(region: Region, vm: Vm, reason: str, days: int) -> None:
    with region.store.begin() as connection:
        vm_stops.record(connection, vm, reason, START + timedelta(days=days))


@pytest.fixture
def vms(region: Region, client: Client) -> tuple[Vm, Vm]:
    first, second = make_vm(region, client.who), make_vm(region, client.who, generation=3)
    stop(region, first, USER, 0)
    stop(region, second, GUEST, 2)
    return first, second


def test_a_stop_is_shown_with_its_reason_and_date(client: Client, vms: tuple[Vm, Vm]) -> None:
    assert client("ReadVmsStopHistory")["VmsStopHistory"] == [
        {"VmId": vms[0].vm_id, "StateReason": USER, "StopDate": "2026-11-24T10:00:00.000Z"},
        {"VmId": vms[1].vm_id, "StateReason": GUEST, "StopDate": "2026-11-26T10:00:00.000Z"},
    ]


def test_a_stop_is_recorded_once(region: Region, client: Client, vms: tuple[Vm, Vm]) -> None:
    stop(region, vms[0], USER, 1)
    assert len(client("ReadVmsStopHistory")["VmsStopHistory"]) == 2


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"StateReasons": ["Client.UserInitiatedShutdown"]}, [0]),
        ({"StateReasons": [USER]}, [0]),
        ({"StateReasons": ["Client.*"]}, [0, 1]),
        ({"StateReasons": ["Server.*"]}, []),
        ({"StopDateAfter": "2026-11-25"}, [1]),
        ({"StopDateBefore": "2026-11-25"}, [0]),
        ({"StopDateAfter": "2026-11-24T10:00:00.000Z", "StopDateBefore": "2026-11-24T10:00:00.000Z"}, [0]),
    ],
)
def test_stops_are_found_by_reason_and_by_date_with_its_bounds(
    client: Client, vms: tuple[Vm, Vm], filters: dict[str, object], expected: list[int]
) -> None:
    found = client("ReadVmsStopHistory", Filters=filters)["VmsStopHistory"]
    assert [each["VmId"] for each in found] == [vms[each].vm_id for each in expected]


def test_stops_are_found_by_vm_and_go_by_pages(client: Client, vms: tuple[Vm, Vm]) -> None:
    found = client("ReadVmsStopHistory", Filters={"VmIds": [vms[1].vm_id]})["VmsStopHistory"]
    assert [each["VmId"] for each in found] == [vms[1].vm_id]
    first = client("ReadVmsStopHistory", ResultsPerPage=1)
    rest = client("ReadVmsStopHistory", ResultsPerPage=1, NextPageToken=first["NextPageToken"])
    assert [each["VmId"] for each in rest["VmsStopHistory"]] == [vms[1].vm_id]


@pytest.mark.parametrize("name", ["StopDateAfter", "StopDateBefore"])
def test_a_bound_that_is_no_date_is_refused(client: Client, name: str) -> None:
    text = client.refusal("ReadVmsStopHistory", Filters={name: "yesterday"})
    assert (text.row, "a date is expected" in text.details) == (value(4047), True)
    number = client.refusal("ReadVmsStopHistory", Filters={name: 20261124})
    assert (number.row, "of the type string" in number.details) == (value(4110), True)


def test_another_account_sees_no_stops(region: Region, vms: tuple[Vm, Vm]) -> None:
    assert Client(region, make_account(region, "bob"))("ReadVmsStopHistory")["VmsStopHistory"] == []
