"""Restart a running VM in place.

1. reboot: the guest is asked, and reset when it does not answer. The VM stays `running` all the while.

When that fails the guest is as it was: the reconcile sweep records what happened to it.
"""

from souche.model.operations import Operation
from souche.operations.vms import RebootVm
from souche.workflows import locks
from souche.workflows.engine import Lane, Step, Workflow
from souche.workflows.parts import Parts


def _reboot(parts: Parts, operation: Operation) -> None:
    parts.hypervisor.reboot(operation.subject_id)


def _failed(parts: Parts, operation: Operation, reason: str) -> None:
    """Nothing to record: rebooting leaves no state of its own."""


WORKFLOW = Workflow(
    params=RebootVm, steps=(Step("reboot", _reboot),), failed=_failed, lock=locks.subject, lane=Lane.GUESTS
)
