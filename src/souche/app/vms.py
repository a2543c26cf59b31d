"""Launched VMs: found, changed, read from (reference section 6). Transitions: `vm_transitions`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from souche.app import (
    block_devices,
    keypairs,
    product_codes,
    quotas,
    secure_boot,
    security_groups,
    user_data,
    vm_types,
)
from souche.app.context import lookup
from souche.app.context.open_pages import OpenPage
from souche.app.context.region import Region, Work
from souche.db import security_groups as group_records
from souche.db import tags, vms, volumes
from souche.db.transactions import Transaction
from souche.model.accounts import Principal
from souche.model.query import Query
from souche.model.tags import Tag
from souche.model.vms import HOST_ACTION_BY_BEHAVIOR, SecureBootAction, Vm, VmStanding
from souche.refusals import WrongVmState
from souche.states import VmState
from souche.value_refusals import BadValue, MissingParameter
from souche.words import Term


@dataclass(frozen=True)
class DeletionFlag:
    """Whether a volume goes with its VM; None leaves it. Terraform names the volume by its device, others by its id, or
    by both."""

    delete: bool | None
    device_name: str | None = None
    volume_id: str | None = None


@dataclass(frozen=True)
class Change:
    """The changes of UpdateVm; None leaves a field as it is. The key pair "" removes the VM's. A new shutdown behaviour
    also sets the host action."""

    vm_id: str
    vm_type: str | None = None
    performance: str | None = None
    user_data: bytes | None = None
    nested_virtualization: bool | None = None
    bsu_optimized: bool | None = None  # of no effect, on the real service too
    keypair_name: str | None = None
    deletion_protection: bool | None = None
    shutdown_behavior: str | None = None
    host_action: str | None = None
    deletion_flags: tuple[DeletionFlag, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    next_secure_boot: SecureBootAction | None = None


ALWAYS_CHANGEABLE = ("deletion_protection", "shutdown_behavior", "host_action")
NEED_STOPPED = ("vm_type", "performance", "user_data", "nested_virtualization", "bsu_optimized")


@contextmanager
def open_page(
    region: Region, who: Principal, query: Query, time_limit: float | None = None
) -> Iterator[OpenPage[Vm]]:
    """A page of the caller's VMs, as `image_pages.open_page`."""
    with region.store.read(time_limit) as connection:
        rows, more = vms.find_page(connection, who.account_id, query)
        yield OpenPage(rows, more, partial(_vms, connection))


def _vms(connection: Transaction, vm_ids: Collection[str]) -> dict[str, tuple[Vm, Sequence[Tag]]]:
    tagged = tags.of_resources(connection, vm_ids)
    return {vm.vm_id: (vm, tagged.get(vm.vm_id, ())) for vm in vms.read(connection, vm_ids)}


def find_states(region: Region, who: Principal, query: Query) -> tuple[list[VmStanding], bool]:
    """The states of the caller's VMs, oldest first; and whether more remain."""
    with region.store.read() as connection:
        return vms.find_states(connection, who.account_id, query)


def update(region: Region, who: Principal, change: Change) -> Vm:
    """Change a VM. Its type, performance, user data and nesting can change only while it is stopped. A new key pair
    reaches the guest through its metadata; new security groups apply immediately.

    Raises:
        NoSuchVm, WrongVmState, NoSuchVmType, VmSpecsMismatch, NoSuchKeypair, NoSuchSecurityGroup, NoSuchVolume,
        MissingParameter, BadUserData, BadValue, TooManyCores, TooMuchMemory.
    """
    with region.begin() as work:
        vm = lookup.own_vm(work.connection, who, change.vm_id)
        _check_state(vm, change)
        user_data.section(change.user_data or b"")
        attributes = _attributes(work, who, vm, change)
        _check_growth(work, who, vm, attributes)
        vms.set_attributes(work.connection, vm.vm_id, attributes)
        for flag in {(flag.device_name, flag.volume_id): flag for flag in change.deletion_flags}.values():
            volume_id = _flagged(work, who, vm, flag)
            if flag.delete is not None:
                volumes.set_delete_on_vm_deletion(work.connection, volume_id, delete=flag.delete)
        _regroup(region, work, who, vm, change.security_group_ids)
        changed = vms.get(work.connection, vm.vm_id) or vm
    for operation in work.operations:
        security_groups.wait_applied(region, operation)
    return changed


def _regroup(region: Region, work: Work, who: Principal, vm: Vm, security_group_ids: tuple[str, ...]) -> None:
    """Move the VM to these groups; without any it keeps its present ones."""
    if not security_group_ids:
        return
    chosen = security_groups.chosen(region, work, who, security_group_ids, ())
    group_records.put_vm(work.connection, vm.vm_id, [group.security_group_id for group in chosen])
    security_groups.request_regroup(region, work, who, vm.vm_id)


def _check_state(vm: Vm, change: Change) -> None:
    if vm.state in (VmState.SHUTTING_DOWN, VmState.TERMINATED):
        raise WrongVmState(vm_id=vm.vm_id, state=vm.state, reason="it is terminated, or being terminated")
    if vm.state != VmState.STOPPED and any(getattr(change, name) is not None for name in NEED_STOPPED):
        raise WrongVmState(vm_id=vm.vm_id, state=vm.state, reason="it must be stopped for this change")


def _attributes(work: Work, who: Principal, vm: Vm, change: Change) -> dict[str, Any]:
    plain = ("user_data", "nested_virtualization", *ALWAYS_CHANGEABLE)
    attributes = {name: getattr(change, name) for name in plain if getattr(change, name) is not None}
    if change.host_action is None and change.shutdown_behavior not in (None, vm.shutdown_behavior):
        attributes["host_action"] = HOST_ACTION_BY_BEHAVIOR[change.shutdown_behavior]
    if change.vm_type is not None or change.performance is not None:
        attributes |= _type_attributes(vm, change)
    if change.next_secure_boot is not None:
        attributes["next_secure_boot"] = _next_secure_boot(vm, change.next_secure_boot)
    if change.keypair_name is not None:
        attributes["keypair_name"] = change.keypair_name or None
        attributes["public_key"] = keypairs.public_key(work.connection, who, change.keypair_name or None)
    return attributes


def _next_secure_boot(vm: Vm, action: SecureBootAction) -> SecureBootAction:
    """A start under way may or may not have read the former value."""
    wanted = secure_boot.for_boot_mode(action, vm.boot_mode)
    if wanted != vm.next_secure_boot and vm.state not in (VmState.STOPPED, VmState.RUNNING):
        raise WrongVmState(
            vm_id=vm.vm_id, state=vm.state, reason="secure boot changes while it runs or is stopped"
        )
    return wanted


def _type_attributes(vm: Vm, change: Change) -> dict[str, Any]:
    """The new type and its performance. A performance flag in the type's name wins over the request's."""
    vm_type = vm_types.parse(vm.vm_type if change.vm_type is None else change.vm_type)
    product_codes.check_vm_type(vm.product_codes, vm_type)
    performance = vm_type.performance if vm_type.names_performance else change.performance or vm.performance
    return {
        "vm_type": vm_type.name,
        "vcpus": vm_type.vcpus,
        "memory_mib": vm_type.memory_mib,
        "performance": performance,
    }


def _check_growth(work: Work, who: Principal, vm: Vm, attributes: Mapping[str, Any]) -> None:
    """Refuse more cores and memory than the account's quotas allow."""
    before = quotas.of_vm(vm.vcpus, vm.memory_mib)
    after = quotas.of_vm(attributes.get("vcpus", vm.vcpus), attributes.get("memory_mib", vm.memory_mib))
    quotas.check(work, who, after - before)


def _flagged(work: Work, who: Principal, vm: Vm, flag: DeletionFlag) -> str:
    """The id of the VM's volume that a flag names."""
    if flag.volume_id is not None:
        lookup.own_volume(work.connection, who, flag.volume_id)
    elif flag.device_name is None:
        raise MissingParameter(parameter=Term.MAPPED_DEVICE_NAME)
    for volume in vm.volumes:
        named = volume.link is not None and (
            flag.device_name is None
            or block_devices.place(flag.device_name) == block_devices.place(volume.link.device_name)
        )
        if named and flag.volume_id in (None, volume.volume_id):
            return volume.volume_id
    raise BadValue(
        parameter=Term.DEVICE_MAPPINGS,
        reason=f"no such volume is linked to the VM: {flag.device_name or flag.volume_id}",
    )


def console_output(region: Region, who: Principal, vm_id: str) -> bytes:
    """The last 64 KiB of a VM's serial console.

    Raises:
        NoSuchVm.
    """
    vm = _get(region, who, vm_id)
    return b"" if vm.state == VmState.TERMINATED else region.console(vm_id)


def admin_password(region: Region, who: Principal, vm_id: str) -> str:
    """The administrator's password of a Windows VM, encrypted with its key pair; "" for all other VMs. Here it is
    always "", because no Windows guest can report one.

    Raises:
        NoSuchVm.
    """
    _get(region, who, vm_id)
    return ""


def _get(region: Region, who: Principal, vm_id: str) -> Vm:
    with region.store.read() as connection:
        return lookup.own_vm(connection, who, vm_id)
