"""Guests that changed their power state by themselves.

Only VMs at rest in our records (`running`, `stopped`) are looked at: those in between belong to a workflow.
"""

from collections.abc import Callable

import structlog

from souche.compute.base import PowerState
from souche.db import vms
from souche.model.operations import Operation
from souche.model.vms import Vm
from souche.reconcile.each import each
from souche.states import VmState
from souche.workflows import guests
from souche.workflows.parts import Parts

GUEST_STOPPED = "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
GUEST_PANICKED = "Client.GuestPanic: the guest's kernel panicked; its console tells why"
HOST_FAILED = "Server.HostFailure: the VM's process or its host ended"

log = structlog.get_logger()


def settle(parts: Parts, start: Callable[[Operation], None]) -> None:
    """Bring each VM's record and its guest together.

    A guest that powered itself off follows its shutdown behaviour; one whose process or host ended, or whose kernel
    panicked, follows its host action; one that somebody started behind our back is `running`.
    """
    with parts.store.read() as connection:
        resting = vms.in_states(connection, [VmState.RUNNING, VmState.STOPPED])
    states = parts.hypervisor.power_states() if resting else {}
    each(
        resting,
        lambda vm: _settle(parts, vm, states.get(vm.vm_id, PowerState.LOST), start),
        lambda vm: vm.vm_id,
    )


def _settle(parts: Parts, vm: Vm, power: PowerState, start: Callable[[Operation], None]) -> None:
    if vm.state == VmState.STOPPED:
        if power == PowerState.RUNNING:
            _record_running(parts, vm)
    elif power == PowerState.OFF:
        _follow(parts, vm, vm.shutdown_behavior, GUEST_STOPPED, start)
    elif power == PowerState.LOST:
        _follow(parts, vm, vm.host_action, HOST_FAILED, start)
    elif power == PowerState.PANICKED:
        _after_panic(parts, vm, start)


def _follow(parts: Parts, vm: Vm, behavior: str, reason: str, start: Callable[[Operation], None]) -> None:
    log.info("a guest went off by itself", vm_id=vm.vm_id, behavior=behavior, reason=reason)
    requested: list[Operation] = []
    with parts.store.begin() as connection:
        if _as_seen(vms.get(connection, vm.vm_id), vm):
            requested = guests.went_off(connection, vm, behavior, reason, parts.clock.now())
    for operation in requested:
        start(operation)
    if vm.public_ip is not None:
        guests.follow_stopped(parts, vm.vm_id)


def _after_panic(parts: Parts, vm: Vm, start: Callable[[Operation], None]) -> None:
    """The guest stands still with its disks open: unless it is started again, its plug has to be pulled. It did not
    shut itself down, so its shutdown behaviour, which may be to terminate it, is not meant."""
    log.warning("a guest panicked", vm_id=vm.vm_id, host_action=vm.host_action)
    if vm.host_action == "restart":
        _follow(parts, vm, "restart", GUEST_PANICKED, start)
        return
    with parts.store.begin() as connection:
        if not _as_seen(vms.get(connection, vm.vm_id), vm):
            return
        operation = guests.request_end(connection, vm, GUEST_PANICKED, parts.clock.now())
    start(operation)


def _record_running(parts: Parts, vm: Vm) -> None:
    with parts.store.begin() as connection:
        if _as_seen(vms.get(connection, vm.vm_id), vm):
            vms.set_state(connection, vm.vm_id, VmState.RUNNING, "")


def _as_seen(now: Vm | None, before: Vm) -> bool:
    """Whether no request or workflow has moved the VM on since it was looked at."""
    return now is not None and (now.state, now.generation) == (before.state, before.generation)
