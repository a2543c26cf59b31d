"""Common parts of VM workflows: they define and start the guest of a VM's record, and record its end."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from souche.compute.base import Guest
from souche.db import operations, public_ips, vm_stops, vms
from souche.db.transactions import Transaction
from souche.errors import ComputeFailed
from souche.model.disks import GuestDisk
from souche.model.operations import Operation
from souche.model.vms import Vm
from souche.operations.vms import StopVm, delete_vm, start_vm, stop_vm
from souche.states import LinkState, VmState
from souche.workflows import firewalls, locks
from souche.workflows.parts import Parts

RESTART_LATER: Final = "restart later"
"""The behaviour of a VM that has restarted too often: it is restarted later (`reconcile/power.py`)."""


def get(parts: Parts, vm_id: str) -> Vm:
    """The VM's record.

    Raises:
        ComputeFailed: an earlier workflow has terminated it.
    """
    with parts.store.read() as connection:
        vm = vms.get(connection, vm_id)
    if vm is None or vm.state == VmState.TERMINATED:
        raise ComputeFailed(reason=f"the VM '{vm_id}' is terminated")
    return vm


def define(parts: Parts, vm_id: str, links: Collection[LinkState]) -> None:
    """Define the VM in the hypervisor as in its current record, with the current sources of the disks whose links are
    in one of these states, and with its security groups."""
    parts.hypervisor.define(_guest(parts, get(parts, vm_id), links))
    firewalls.follow_vms(parts, [vm_id])


def power_on(parts: Parts, vm_id: str) -> None:
    """Define the VM again, with its attached volumes (see `locks`), and start it."""
    define(parts, vm_id, [LinkState.ATTACHED])
    parts.hypervisor.start(vm_id)


def remove(parts: Parts, operation: Operation) -> None:
    """Power off and undefine the guest of the operation."""
    parts.hypervisor.remove(operation.subject_id)


def settle(
    connection: Transaction, vm_id: str, passing: Collection[VmState], state: VmState, reason: str
) -> None:
    """Record the end of a transition, if the VM is still in one of its states: later requests, above all a deletion,
    win."""
    vms.settle(connection, vm_id, passing, state, reason)


def went_off(connection: Transaction, vm: Vm, behavior: str, reason: str, now: datetime) -> list[Operation]:
    """Record that a VM has stopped, also in its history, and the action of `behavior`. `stop`: it stays stopped and
    loses its public IP (specification, LinkPublicIp). `restart`: it is started again. RESTART_LATER: it is `stopped`
    until its restart, and keeps its public IP. `terminate`: it is deleted, unless it has deletion protection. Returns
    the operation that follows."""
    vm_stops.record(connection, vm, reason, now)
    if behavior == "restart":
        return [request_start(connection, vm, now)]
    if behavior == "terminate" and not vm.deletion_protection:
        generation = vms.begin_transition(connection, vm, VmState.SHUTTING_DOWN, reason)
        return [_written(connection, delete_vm(vm, generation), now)]
    vms.set_state(connection, vm.vm_id, VmState.STOPPED, reason)
    if behavior != RESTART_LATER:
        public_ips.unlink_vm(connection, vm.vm_id)
    return []


def follow_stopped(parts: Parts, vm_id: str) -> None:
    """Unlink public IPs from the guest of a stopped VM; after the transaction of `went_off`."""
    firewalls.follow_vms(parts, [vm_id])


def request_start(connection: Transaction, vm: Vm, now: datetime) -> Operation:
    """Request that a VM is started again."""
    generation = vms.begin_transition(connection, vm, VmState.PENDING, "")
    return _written(connection, start_vm(vm, generation), now)


def request_end(connection: Transaction, vm: Vm, behavior: str, reason: str, now: datetime) -> Operation:
    """Request that a useless guest is powered off; `behavior` follows."""
    generation = vms.begin_transition(connection, vm, VmState.STOPPING, reason)
    params = StopVm(force=True, behavior=behavior, reason=reason)
    return _written(connection, stop_vm(vm, generation, params), now)


def _written(connection: Transaction, operation: Operation, now: datetime) -> Operation:
    """Written here and not by `enqueue`, which imports every workflow. These workflows lock only their subject."""
    operations.insert(connection, operation, locks.subject(connection, operation), now)
    return operation


def _guest(parts: Parts, vm: Vm, links: Collection[LinkState]) -> Guest:
    disks = tuple(
        GuestDisk(volume.volume_id, volume.link.device_name, parts.volumes.volume_source(volume.volume_id))
        for volume in vm.volumes
        if volume.link and volume.link.state in links
    )
    return Guest(
        vm_id=vm.vm_id,
        vcpus=vm.vcpus,
        memory_mib=vm.memory_mib,
        architecture=vm.architecture,
        boot_mode=vm.boot_mode,
        disks=disks,
        mac_address=vm.mac_address,
        private_ip=vm.private_ip,
        hostname=hostname(vm.private_ip),
        nested_virtualization=vm.nested_virtualization,
        tpm_enabled=vm.tpm_enabled,
        next_secure_boot=vm.next_secure_boot,
        secure_boot=vm.secure_boot,
    )


def hostname(private_ip: str) -> str:
    """The host name of a VM, made from its address as by OUTSCALE: `ip-10-0-0-4`."""
    return "ip-" + private_ip.replace(".", "-")
