"""Start a stopped VM.

1. power on: define it anew, with its disks' present sources, and start it. Undo: power off.
2. record: it is `running`.

When a step fails the VM is `stopped` again, with the reason.
"""

from souche.model.operations import Operation
from souche.states import VmState
from souche.workflows import guests, locks
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts


def _power_on(parts: Parts, operation: Operation) -> None:
    guests.power_on(parts, operation.subject_id)


def _power_off(parts: Parts, operation: Operation) -> None:
    parts.hypervisor.power_off(operation.subject_id)


def _record(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        guests.settle(connection, operation.subject_id, [VmState.PENDING], VmState.RUNNING, "")


PASSED = (VmState.PENDING, VmState.RUNNING)


def _failed(parts: Parts, operation: Operation, reason: str) -> None:
    with parts.store.begin() as connection:
        reason = f"Server.InternalError: {reason}"
        guests.settle(connection, operation.subject_id, PASSED, VmState.STOPPED, reason)


WORKFLOW = Workflow(
    name="start_vm",
    steps=(Step("power on", _power_on, _power_off), Step("record", _record)),
    failed=_failed,
    lock=locks.subject,
)
