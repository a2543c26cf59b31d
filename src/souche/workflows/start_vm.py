"""Start a stopped VM.

1. power on: define it again, with the current sources of its disks, and start it. Undo: power off.

Ending: it is `running`. If a step fails, it is `stopped` again, with the reason.
"""

from souche.db.transactions import Transaction
from souche.model import stop_reasons
from souche.model.operations import Operation
from souche.operations.vms import StartVm
from souche.states import VmState
from souche.workflows import guests, locks
from souche.workflows.engine import Ending, Step, Workflow
from souche.workflows.parts import Parts


def _power_on(parts: Parts, operation: Operation) -> None:
    guests.power_on(parts, operation.subject_id)


def _power_off(parts: Parts, operation: Operation) -> None:
    parts.hypervisor.power_off(operation.subject_id)


def _record(connection: Transaction, parts: Parts, operation: Operation) -> None:
    guests.settle(connection, operation.subject_id, [VmState.PENDING], VmState.RUNNING, "")


def _failed(connection: Transaction, parts: Parts, operation: Operation, reason: str) -> None:
    guests.settle(
        connection, operation.subject_id, [VmState.PENDING], VmState.STOPPED, stop_reasons.failed(reason)
    )


WORKFLOW = Workflow(
    params=StartVm,
    steps=(Step("power on", _power_on, _power_off),),
    ending=Ending(_record, _failed),
    lock=locks.subject,
)
