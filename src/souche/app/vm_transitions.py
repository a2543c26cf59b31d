"""Start, stop, reboot and delete VMs. Lists are all or nothing: one refusal leaves every VM untouched
(reference section 6)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from souche.app import public_ips
from souche.app.context import lookup
from souche.app.context.region import Region, Work
from souche.db import operations, vms
from souche.model import stop_reasons
from souche.model.accounts import Principal
from souche.model.operations import Operation
from souche.model.vms import Vm
from souche.model.volumes import VolumeLink
from souche.operations.vms import StopVm, delete_vm, reboot_vm, start_vm, stop_vm
from souche.refusals import DeletionProtected, NeverStarted, WrongVmState, WrongVolumeState
from souche.states import LinkState, VmState
from souche.value_refusals import MissingParameter
from souche.words import Term


@dataclass(frozen=True)
class Transition:
    """A VM's state before and after a call."""

    vm_id: str
    previous: VmState
    current: VmState


def _nothing_else(region: Region, work: Work, due: Sequence[Vm]) -> None:
    """The call changes only the VMs."""


def _no_more(work: Work, found: Sequence[Vm]) -> Collection[str]:
    """No other VM is due."""
    return ()


@dataclass(frozen=True)
class _Request:
    """A requested transition. `is_due` is false for a VM that is already in the wanted state, and refuses one that
    cannot reach it. `also_due` are VMs that reach the state but do not stay in it. `prepare` changes the related
    records of the VMs that are due."""

    passing: VmState
    reason: str
    make: Callable[[Vm, int], Operation]
    is_due: Callable[[Vm], bool]
    prepare: Callable[[Region, Work, Sequence[Vm]], None] = _nothing_else
    also_due: Callable[[Work, Sequence[Vm]], Collection[str]] = _no_more


def start(region: Region, who: Principal, vm_ids: Sequence[str]) -> list[Transition]:
    """Request the start of stopped VMs. VMs that run or are starting are left alone.

    Raises:
        MissingParameter, NoSuchVm, WrongVmState, WrongVolumeState.
    """

    def is_due(vm: Vm) -> bool:
        if vm.state in (VmState.RUNNING, VmState.PENDING):
            return False
        if vm.state != VmState.STOPPED:
            raise WrongVmState(vm_id=vm.vm_id, state=vm.state, reason="only a stopped VM can be started")
        _check_root_settled(vm)
        if not _has_root(vm):
            raise WrongVmState(vm_id=vm.vm_id, state=vm.state, reason="it has no root volume")
        return True

    prepare = public_ips.attach_at_start
    return _each(region, who, vm_ids, _Request(VmState.PENDING, "", start_vm, is_due, prepare))


def _root_links(vm: Vm) -> list[VolumeLink]:
    links = [volume.link for volume in vm.volumes if volume.link]
    return [link for link in links if link.device_name == vm.root_device_name]


def _check_root_settled(vm: Vm) -> None:
    """Other volumes being attached or detached need no check: the start runs after them."""
    for link in _root_links(vm):
        if link.state != LinkState.ATTACHED:
            raise WrongVolumeState(
                volume_id=link.volume_id,
                state=link.state,
                reason="a VM starts only with its root volume attached: wait for that",
            )


def _has_root(vm: Vm) -> bool:
    return bool(_root_links(vm))


def stop(region: Region, who: Principal, vm_ids: Sequence[str], *, force: bool) -> list[Transition]:
    """Request the stop of running VMs; with `force`, by pulling the plug. Stopped VMs are left alone, and VMs that are
    being stopped, except for those that CreateImage would start again.

    Raises:
        MissingParameter, NoSuchVm, NeverStarted, WrongVmState.
    """

    def is_due(vm: Vm) -> bool:
        if vm.state in (VmState.STOPPED, VmState.STOPPING):
            return False
        if vm.state == VmState.PENDING:
            raise NeverStarted(vm_id=vm.vm_id)
        if vm.state != VmState.RUNNING:
            raise WrongVmState(vm_id=vm.vm_id, state=vm.state, reason="only a running VM can be stopped")
        return True

    make = partial(stop_vm, params=StopVm(force))
    request = _Request(VmState.STOPPING, stop_reasons.BY_USER, make, is_due, also_due=_restarted_by_images)
    return _each(region, who, vm_ids, request)


def _restarted_by_images(work: Work, found: Sequence[Vm]) -> Collection[str]:
    """The VMs that no StopVm is stopping."""
    stopping = {vm.vm_id for vm in found if vm.state == VmState.STOPPING}
    return stopping - operations.subjects(work.connection, StopVm.workflow, stopping)


def reboot(region: Region, who: Principal, vm_ids: Sequence[str]) -> list[Transition]:
    """Request the reboot of running VMs; they stay `running`.

    Raises:
        MissingParameter, NoSuchVm, WrongVmState.
    """

    def is_due(vm: Vm) -> bool:
        if vm.state != VmState.RUNNING:
            raise WrongVmState(vm_id=vm.vm_id, state=vm.state, reason="only a running VM can be rebooted")
        return True

    return _each(region, who, vm_ids, _Request(VmState.RUNNING, "", reboot_vm, is_due))


def delete(region: Region, who: Principal, vm_ids: Sequence[str]) -> list[Transition]:
    """Request the deletion of VMs, with the volumes that go with them. Terminated VMs are left alone.

    Raises:
        MissingParameter, NoSuchVm, DeletionProtected.
    """

    def is_due(vm: Vm) -> bool:
        if vm.state in (VmState.SHUTTING_DOWN, VmState.TERMINATED):
            return False
        if vm.deletion_protection:
            raise DeletionProtected(vm_id=vm.vm_id)
        return True

    return _each(
        region, who, vm_ids, _Request(VmState.SHUTTING_DOWN, stop_reasons.BY_USER, delete_vm, is_due)
    )


def _each(region: Region, who: Principal, vm_ids: Sequence[str], request: _Request) -> list[Transition]:
    """Set the passing state of the VMs that are due, and request an operation for each, with its new generation. The
    number of statements does not depend on the number of VMs."""
    if not vm_ids:
        raise MissingParameter(parameter=Term.VM_IDS)
    with region.begin() as work:
        found = lookup.own_vms(work.connection, who, list(dict.fromkeys(vm_ids)))
        also_due = request.also_due(work, found)
        due = [vm for vm in found if request.is_due(vm) or vm.vm_id in also_due]
        request.prepare(region, work, due)
        vms.begin_transitions(work.connection, [vm.vm_id for vm in due], request.passing, request.reason)
        work.operations += [request.make(vm, vm.generation + 1) for vm in due]
        current = {vm.vm_id: request.passing for vm in due}
        return [Transition(vm.vm_id, vm.state, current.get(vm.vm_id, vm.state)) for vm in found]
