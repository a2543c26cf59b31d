"""Lists are all or nothing, and each transition requests its operation once (reference section 6)."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from souche.app import vm_transitions
from souche.app.context.region import Region
from souche.db import volumes
from souche.model.accounts import Principal
from souche.operations.vms import StopVm
from souche.refusals import DeletionProtected, NeverStarted, NoSuchVm, WrongVmState, WrongVolumeState
from souche.states import LinkState, VmState
from souche.value_refusals import MissingParameter
from tests.support.resources import make_vm, read_vm, requested
from tests.support.statements import statements, transactions


def test_each_transition_is_a_workflow_of_its_own_generation(region: Region, alice: Principal) -> None:
    vm = make_vm(region, alice, VmState.STOPPED)
    vm_transitions.start(region, alice, [vm.vm_id])
    vm_transitions.start(region, alice, [vm.vm_id])
    vm_transitions.delete(region, alice, [vm.vm_id, vm.vm_id])
    assert requested(region) == ["start_vm", "delete_vm"]
    assert read_vm(region, vm.vm_id).generation == 2


STATES: dict[Callable[[Region, Principal, Sequence[str]], object], VmState] = {
    vm_transitions.start: VmState.STOPPED,
    partial(vm_transitions.stop, force=False): VmState.RUNNING,
    vm_transitions.reboot: VmState.RUNNING,
    vm_transitions.delete: VmState.RUNNING,
}


@pytest.mark.parametrize("action", STATES, ids=["start", "stop", "reboot", "delete"])
def test_many_vms_take_one_transaction_of_as_many_statements_as_few(
    region: Region, alice: Principal, action: Callable[[Region, Principal, Sequence[str]], object]
) -> None:
    vm_ids = [make_vm(region, alice, STATES[action]).vm_id for _ in range(42)]
    few = statements(region, lambda: action(region, alice, vm_ids[:2]))
    many = statements(region, lambda: action(region, alice, vm_ids[2:]))
    assert len(many) == len(few)
    assert transactions(many) == 1
    assert len(requested(region)) == len(vm_ids)
    assert {read_vm(region, vm_id).generation for vm_id in vm_ids} == {1}


@pytest.mark.parametrize("force", [True, False])
def test_a_stop_may_pull_the_plug(
    region: Region,
    alice: Principal,
    force: bool,  # noqa: FBT001
) -> None:
    vm = make_vm(region, alice)
    vm_transitions.stop(region, alice, [vm.vm_id], force=force)
    assert region.workflows.started[0].params == StopVm(force)  # type: ignore[attr-defined]  # recorded


def test_one_unknown_id_leaves_the_others_untouched(region: Region, alice: Principal, bob: Principal) -> None:
    vm, hidden = make_vm(region, alice), make_vm(region, bob)
    for unknown in ("i-00000000", hidden.vm_id):
        with pytest.raises(NoSuchVm):
            vm_transitions.stop(region, alice, [vm.vm_id, unknown], force=False)
        with pytest.raises(NoSuchVm):
            vm_transitions.delete(region, alice, [vm.vm_id, unknown])
        with pytest.raises(NoSuchVm):
            vm_transitions.reboot(region, alice, [vm.vm_id, unknown])
    assert (read_vm(region, vm.vm_id), requested(region)) == (vm, [])


def test_one_wrong_state_leaves_the_others_untouched(region: Region, alice: Principal) -> None:
    stopped, stopping = make_vm(region, alice, VmState.STOPPED), make_vm(region, alice, VmState.STOPPING)
    running, pending = make_vm(region, alice), make_vm(region, alice, VmState.PENDING)
    with pytest.raises(WrongVmState):
        vm_transitions.start(region, alice, [stopped.vm_id, stopping.vm_id])
    with pytest.raises(NeverStarted):
        vm_transitions.stop(region, alice, [running.vm_id, pending.vm_id], force=False)
    with pytest.raises(WrongVmState):
        vm_transitions.reboot(region, alice, [running.vm_id, stopped.vm_id])
    assert [read_vm(region, vm.vm_id) for vm in (stopped, running)] == [stopped, running]
    assert requested(region) == []


def test_one_protected_vm_protects_the_others_of_the_list(region: Region, alice: Principal) -> None:
    vm, protected = make_vm(region, alice), make_vm(region, alice, deletion_protection=True)
    with pytest.raises(DeletionProtected):
        vm_transitions.delete(region, alice, [vm.vm_id, protected.vm_id])
    assert (read_vm(region, vm.vm_id), requested(region)) == (vm, [])


def test_an_empty_list_is_a_missing_one(region: Region, alice: Principal) -> None:
    with pytest.raises(MissingParameter, match="VM IDs"):
        vm_transitions.start(region, alice, [])


@pytest.mark.parametrize("link_state", [LinkState.ATTACHED, LinkState.ATTACHING, LinkState.DETACHING])
def test_a_vm_starts_only_with_its_root_volume(
    region: Region, alice: Principal, link_state: LinkState
) -> None:
    vm = make_vm(region, alice, VmState.STOPPED)
    with region.store.begin() as connection:
        volumes.set_link_state(connection, vm.volumes[0].volume_id, link_state)
    if link_state == LinkState.ATTACHED:
        vm_transitions.start(region, alice, [vm.vm_id])
    else:
        with pytest.raises(WrongVolumeState, match=f"is {link_state}"):
            vm_transitions.start(region, alice, [vm.vm_id])
