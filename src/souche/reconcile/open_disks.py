"""Shortens the disks that running guests have open, after many captures."""

from souche.compute.base import PowerState
from souche.reconcile.each import each
from souche.workflows.parts import Parts


def tend(parts: Parts) -> None:
    """Ask the store to tend the disks of each running guest."""
    states = parts.hypervisor.power_states()
    running = [vm_id for vm_id, state in states.items() if state is PowerState.RUNNING]
    each(running, lambda vm_id: parts.volumes.tend_open_disks(vm_id, parts.live))
