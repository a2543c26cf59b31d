"""Stop a running VM. Forward only: each step is tried until it succeeds.

1. shut down: ask the guest, wait, then pull the plug; with `force` pull it at once.
2. record: it is `stopped`, and no public IP leads to it; by its shutdown behaviour it is started again, or deleted, by
   a promise made with the record.

Arguments: `force`; `behavior` and `reason` where the VM's own behaviour, or the user, is not what stops it.
"""

from souche.db import vms
from souche.model.operations import Operation
from souche.states import USER_STOPPED, VmState
from souche.workflows import guests, locks
from souche.workflows.engine import Lane, Step, Workflow
from souche.workflows.parts import Parts


def _shut_down(parts: Parts, operation: Operation) -> None:
    if operation.arguments["force"]:
        parts.hypervisor.power_off(operation.subject_id)
    else:
        parts.hypervisor.shut_down(operation.subject_id, parts.shutdown_timeout_seconds)


def _record(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        vm = vms.get(connection, operation.subject_id)
        if vm is not None and vm.state == VmState.STOPPING:
            behavior = str(operation.arguments.get("behavior", vm.shutdown_behavior))
            reason = str(operation.arguments.get("reason", USER_STOPPED))
            guests.went_off(connection, vm, behavior, reason, parts.clock.now())
    guests.follow_stopped(parts, operation.subject_id)


WORKFLOW = Workflow(
    name="stop_vm",
    steps=(Step("shut down", _shut_down), Step("record", _record)),
    lock=locks.subject,
    lane=Lane.GUESTS,
)
