"""The disks that running guests have open: the store undoes what many captures have cost them."""

from souche.compute.base import PowerState
from souche.reconcile.each import each
from souche.workflows.parts import Parts


def tend(parts: Parts) -> None:
    """Have the store look after the disks of each guest that runs."""
    states = parts.hypervisor.power_states()
    running = [vm_id for vm_id, state in states.items() if state is PowerState.RUNNING]
    each(running, lambda vm_id: parts.volumes.tend_open_disks(vm_id, parts.live))
