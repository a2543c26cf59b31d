"""Tokens for the consoles of VMs."""

import threading
from datetime import timedelta

import pytest

from souche.app import console_tokens
from souche.app.context.region import Region
from souche.db import schema, vms
from souche.refusals import BadConsoleToken, NoSuchVm, WrongVmState
from souche.states import VmState
from tests.support.region import ManualClock, make_account
from tests.support.resources import dump, make_vm


def test_a_token_is_redeemed_once(region: Region) -> None:
    alice = make_account(region, "alice")
    vm = make_vm(region, alice, state=VmState.RUNNING)
    made = console_tokens.create(region, alice, vm.vm_id)
    assert made.expiration_date == region.clock.now() + timedelta(minutes=1)
    assert console_tokens.redeem(region, made.token) == vm.vm_id
    with pytest.raises(BadConsoleToken):
        console_tokens.redeem(region, made.token)


def test_of_many_that_redeem_a_token_at_once_one_does(region: Region) -> None:
    alice = make_account(region, "alice")
    made = console_tokens.create(region, alice, make_vm(region, alice, state=VmState.RUNNING).vm_id)
    outcomes: list[str] = []

    def redeem() -> None:
        try:
            outcomes.append(console_tokens.redeem(region, made.token))
        except BadConsoleToken:
            outcomes.append("refused")

    threads = [threading.Thread(target=redeem) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes) == [made.vm_id, *["refused"] * 7]


def test_a_token_is_valid_for_a_minute(region: Region, clock: ManualClock) -> None:
    alice = make_account(region, "alice")
    vm = make_vm(region, alice, state=VmState.RUNNING)
    for seconds, valid in ((59, True), (60, False)):
        made = console_tokens.create(region, alice, vm.vm_id)
        clock.advance(seconds=seconds)
        if valid:
            assert console_tokens.redeem(region, made.token) == vm.vm_id
        else:
            with pytest.raises(BadConsoleToken):
                console_tokens.redeem(region, made.token)


def test_a_new_token_replaces_the_one_before_it(region: Region) -> None:
    alice = make_account(region, "alice")
    vm = make_vm(region, alice, state=VmState.RUNNING)
    former, made = (console_tokens.create(region, alice, vm.vm_id) for _ in range(2))
    with pytest.raises(BadConsoleToken):
        console_tokens.redeem(region, former.token)
    assert console_tokens.redeem(region, made.token) == vm.vm_id


def test_the_records_have_no_token(region: Region) -> None:
    alice = make_account(region, "alice")
    made = console_tokens.create(region, alice, make_vm(region, alice, state=VmState.RUNNING).vm_id)
    assert made.token not in str(dump(region))
    assert made.token not in repr(made)


def test_a_vm_of_others_or_one_that_does_not_run_gets_no_token(region: Region) -> None:
    alice, bob = make_account(region, "alice"), make_account(region, "bob")
    stopped = make_vm(region, alice, state=VmState.STOPPED)
    running = make_vm(region, alice, state=VmState.RUNNING)
    with pytest.raises(WrongVmState, match="only a running VM"):
        console_tokens.create(region, alice, stopped.vm_id)
    with pytest.raises(NoSuchVm):
        console_tokens.create(region, bob, running.vm_id)


def test_a_token_of_a_vm_that_stopped_is_refused_and_used_up(region: Region) -> None:
    alice = make_account(region, "alice")
    vm = make_vm(region, alice, state=VmState.RUNNING)
    made = console_tokens.create(region, alice, vm.vm_id)
    with region.store.begin() as connection:
        vms.set_state(connection, vm.vm_id, VmState.STOPPED, "")
    with pytest.raises(WrongVmState):
        console_tokens.redeem(region, made.token)
    with pytest.raises(BadConsoleToken):
        console_tokens.redeem(region, made.token)


def test_a_dry_run_keeps_no_token(region: Region) -> None:
    alice = make_account(region, "alice")
    vm = make_vm(region, alice, state=VmState.RUNNING)
    console_tokens.create(region.for_dry_run(), alice, vm.vm_id)
    with region.store.read() as connection:
        assert connection.execute(schema.console_tokens.select()).all() == []
