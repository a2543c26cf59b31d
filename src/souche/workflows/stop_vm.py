"""Stop a running VM. Forward only: each step is retried until it succeeds.

1. shut down: ask the guest to shut down, wait, then cut the power; with `force` cut it immediately.
2. record: the VM is `stopped` and loses its public IP. If its shutdown behaviour is to restart or to terminate, the
   same transaction requests that operation.
"""

from souche.db import vms
from souche.model import stop_reasons
from souche.model.operations import Operation
from souche.operations.vms import StopVm
from souche.states import VmState
from souche.workflows import guests, locks
from souche.workflows.engine import Lane, Step, Workflow
from souche.workflows.parts import Parts


def _shut_down(parts: Parts, operation: Operation[StopVm]) -> None:
    if operation.params.force:
        parts.hypervisor.power_off(operation.subject_id)
    else:
        parts.hypervisor.shut_down(operation.subject_id, parts.shutdown_timeout_seconds)


def _record(parts: Parts, operation: Operation[StopVm]) -> None:
    with parts.store.begin() as connection:
        vm = vms.get(connection, operation.subject_id)
        if vm is not None and vm.state == VmState.STOPPING:
            behavior = operation.params.behavior or vm.shutdown_behavior
            reason = operation.params.reason or stop_reasons.BY_USER
            guests.went_off(connection, vm, behavior, reason, parts.clock.now())
    guests.follow_stopped(parts, operation.subject_id)


WORKFLOW = Workflow(
    params=StopVm,
    steps=(Step("shut down", _shut_down), Step("record", _record)),
    lock=locks.subject,
    lane=Lane.GUESTS,
)
