"""Reads of VMs, and of their states, consoles and passwords."""

from dataclasses import replace

import pytest

from souche.db import vms
from souche.model.accounts import Principal
from souche.states import VmState
from tests.support.client import Client
from tests.support.resources import make_vm


def test_a_vm_is_found_by_the_addresses_that_it_shows(client: Client) -> None:
    """A terminated one shows none: its address may be another's."""
    gone = make_vm(client.region, client.who, devices=())
    with client.region.store.begin() as connection:
        vms.set_terminated(connection, gone.vm_id, "", client.region.clock.now())
    vm = make_vm(client.region, client.who, devices=(), private_ip=gone.private_ip)
    for name in ("PrivateIps", "PublicIps"):
        (found,) = client("ReadVms", Filters={name: [vm.private_ip]})["Vms"]
        assert (found["VmId"], found[name.removesuffix("s")]) == (vm.vm_id, vm.private_ip)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("pending", 0),
        ("running", 16),
        ("shutting-down", 32),
        ("terminated", 48),
        ("stopping", 64),
        ("stopped", 80),
    ],
)
def test_a_state_is_found_by_its_code(client: Client, at: str, code: int) -> None:
    for state in VmState:
        make_vm(client.region, client.who, state, devices=())
    (found,) = client("ReadVms", Filters={"VmStateCodes": [code]})["Vms"]
    assert found["State"] == at
    assert len(client("ReadVms")["Vms"]) == len(VmState)


def test_the_console_is_base64(client: Client) -> None:
    vm = make_vm(client.region, client.who)
    told = Client(replace(client.region, console=lambda _: b"\x00login:\r\n"), client.who)
    assert told("ReadConsoleOutput", VmId=vm.vm_id)["ConsoleOutput"] == "AGxvZ2luOg0K"


def test_read_vms_state_tells_of_running_vms_or_of_all(client: Client) -> None:
    running = make_vm(client.region, client.who)
    stopped = make_vm(client.region, client.who, VmState.STOPPED)
    assert client("ReadVmsState")["VmStates"] == [
        {
            "MaintenanceEvents": [],
            "SubregionName": "eu-test-1a",
            "VmId": running.vm_id,
            "VmState": "running",
        }
    ]
    every = client("ReadVmsState", AllVms=True)["VmStates"]
    assert {each["VmId"] for each in every} == {running.vm_id, stopped.vm_id}
    assert client("ReadVmsState", Filters={"VmStates": ["stopped"]}) == {"VmStates": []}


def test_read_vms_state_goes_by_pages(client: Client) -> None:
    for _ in range(3):
        make_vm(client.region, client.who)
    first = client("ReadVmsState", ResultsPerPage=2)
    last = client("ReadVmsState", ResultsPerPage=2, NextPageToken=first["NextPageToken"])
    assert len(first["VmStates"]) == 2
    assert len({each["VmId"] for each in first["VmStates"] + last["VmStates"]}) == 3
    assert "NextPageToken" not in last


@pytest.mark.parametrize("at", VmState)
def test_the_console_and_the_password_can_be_read_in_any_state(client: Client, at: VmState) -> None:
    vm = make_vm(client.region, client.who, at)
    assert client("ReadConsoleOutput", VmId=vm.vm_id) == {"VmId": vm.vm_id, "ConsoleOutput": ""}
    assert client("ReadAdminPassword", VmId=vm.vm_id) == {"VmId": vm.vm_id, "AdminPassword": ""}


def test_the_vms_of_another_account_are_not_listed(client: Client, bob: Principal) -> None:
    make_vm(client.region, bob)
    assert client("ReadVms") == {"Vms": []}
    assert client("ReadVmsState", AllVms=True) == {"VmStates": []}
