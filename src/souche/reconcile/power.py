"""Handles guests that changed their power state on their own.

Only VMs in a stable state (`running`, `stopped`) are checked: those in a transitional state belong to a workflow.

A VM is restarted immediately, but at most `MOST_RESTARTS` times within `RESTARTS_WITHIN`: a guest that shuts down while
it boots would keep the host busy forever. After that it is `stopped`, its StateReason ends with `WAITS`, and it is
started when the oldest of these stops is older than that.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from souche.compute.base import PowerState
from souche.db import public_ips, vm_stops, vms
from souche.db.transactions import Transaction
from souche.model import stop_reasons
from souche.model.operations import Operation
from souche.model.vms import Vm
from souche.reconcile.each import each
from souche.room import LEAST_BYTES
from souche.states import VmState
from souche.workflows import guests
from souche.workflows.parts import Parts

MOST_RESTARTS: Final = 5
RESTARTS_WITHIN: Final = timedelta(minutes=10)
WAITS: Final = f"; it was restarted {MOST_RESTARTS} times within 10 minutes, and is restarted later"

log = structlog.get_logger()


def settle(parts: Parts, start: Callable[[Operation], None]) -> None:
    """Reconcile each VM's record and its guest. A guest that powered itself off follows its shutdown behaviour. One
    whose process or host ended, or whose kernel panicked, follows its host action. One that was started outside of
    Souche becomes `running`. One that halted for lack of space continues when there is space."""
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
        if power in (PowerState.RUNNING, PowerState.HALTED):
            _record_running(parts, vm)
        elif vm.state_reason.endswith(WAITS):
            _end_wait(parts, vm, start)
    elif power == PowerState.OFF:
        _follow(parts, vm, vm.shutdown_behavior, stop_reasons.BY_GUEST, start)
    elif power == PowerState.LOST:
        _follow(parts, vm, vm.host_action, stop_reasons.HOST_FAILED, start)
    elif power == PowerState.PANICKED:
        _after_panic(parts, vm, start)
    elif power == PowerState.HALTED and parts.room.measure().free_bytes >= LEAST_BYTES:
        log.warning("a guest that ran out of disk space continues", vm_id=vm.vm_id)
        parts.hypervisor.resume(vm.vm_id)


def _follow(parts: Parts, vm: Vm, behavior: str, reason: str, start: Callable[[Operation], None]) -> None:
    log.info("a guest powered off by itself", vm_id=vm.vm_id, behavior=behavior, reason=reason)
    requested: list[Operation] = []
    with parts.store.begin() as connection:
        if _as_seen(vms.get(connection, vm.vm_id), vm):
            behavior, reason = _paced(parts, connection, vm, behavior, reason)
            requested = guests.went_off(connection, vm, behavior, reason, parts.clock.now())
    for operation in requested:
        start(operation)
    if vm.public_ip is not None:
        guests.follow_stopped(parts, vm.vm_id)


def _after_panic(parts: Parts, vm: Vm, start: Callable[[Operation], None]) -> None:
    """A panicked guest keeps its disks open, so it must be restarted or powered off. It did not shut itself down, so
    its shutdown behaviour, which may be `terminate`, does not apply."""
    log.warning("a guest panicked", vm_id=vm.vm_id, host_action=vm.host_action)
    now = parts.clock.now()
    with parts.store.begin() as connection:
        if not _as_seen(vms.get(connection, vm.vm_id), vm):
            return
        behavior, reason = _paced(parts, connection, vm, vm.host_action, stop_reasons.PANICKED)
        if behavior == "restart":
            (operation,) = guests.went_off(connection, vm, behavior, reason, now)
        else:
            operation = guests.request_end(connection, vm, behavior, reason, now)
    start(operation)


def _paced(parts: Parts, connection: Transaction, vm: Vm, behavior: str, reason: str) -> tuple[str, str]:
    """The behaviour to apply, and the reason to show. A restart may have to wait."""
    if behavior != "restart" or _recent_stops(parts, connection, vm) < MOST_RESTARTS:
        return behavior, reason
    log.warning("a guest powers off repeatedly", vm_id=vm.vm_id, reason=reason)
    return guests.RESTART_LATER, reason + WAITS


def _recent_stops(parts: Parts, connection: Transaction, vm: Vm) -> int:
    return vm_stops.count_by_itself(connection, vm.vm_id, parts.clock.now() - RESTARTS_WITHIN)


def _end_wait(parts: Parts, vm: Vm, start: Callable[[Operation], None]) -> None:
    """Start a VM that has waited long enough, or leave it stopped if its behaviour has changed."""
    reason = vm.state_reason.removesuffix(WAITS)
    behavior = vm.shutdown_behavior if reason == stop_reasons.BY_GUEST else vm.host_action
    with parts.store.read() as connection:
        waits = _recent_stops(parts, connection, vm) > MOST_RESTARTS
    if behavior != "restart":
        _give_up(parts, vm, reason)
    elif not waits:
        with parts.store.begin() as connection:
            if not _as_seen(vms.get(connection, vm.vm_id), vm):
                return
            operation = guests.request_start(connection, vm, parts.clock.now())
        start(operation)


def _give_up(parts: Parts, vm: Vm, reason: str) -> None:
    with parts.store.begin() as connection:
        if not _as_seen(vms.get(connection, vm.vm_id), vm):
            return
        vms.set_state(connection, vm.vm_id, VmState.STOPPED, reason)
        public_ips.unlink_vm(connection, vm.vm_id)
    guests.follow_stopped(parts, vm.vm_id)


def _record_running(parts: Parts, vm: Vm) -> None:
    with parts.store.begin() as connection:
        if _as_seen(vms.get(connection, vm.vm_id), vm):
            vms.set_state(connection, vm.vm_id, VmState.RUNNING, "")


def _as_seen(now: Vm | None, before: Vm) -> bool:
    """Whether the VM is still as it was seen: no request or workflow has changed it."""
    return now is not None and (now.state, now.generation) == (before.state, before.generation)
