"""Restart a running VM in place.

1. reboot: ask the guest, and reset it if it does not answer. The VM stays `running`.

If that fails, the guest does not change: the reconcile sweep records its actual state.
"""

from souche.model.operations import Operation
from souche.operations.vms import RebootVm
from souche.workflows import locks
from souche.workflows.engine import Lane, Step, Workflow
from souche.workflows.parts import Parts


def _reboot(parts: Parts, operation: Operation) -> None:
    parts.hypervisor.reboot(operation.subject_id)


def _failed(parts: Parts, operation: Operation, reason: str) -> None:
    """Records nothing: a reboot has no state."""


WORKFLOW = Workflow(
    params=RebootVm, steps=(Step("reboot", _reboot),), failed=_failed, lock=locks.subject, lane=Lane.GUESTS
)
