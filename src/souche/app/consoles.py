"""The consoles of VMs."""

from souche import ids
from souche.app.context import lookup
from souche.app.context.region import Region
from souche.db import vms
from souche.model.vms import Vm
from souche.refusals import NoSuchVm, WrongVmState
from souche.states import VmState


def check_running(region: Region, vm_id: str) -> None:
    """Refuse a VM, of any account, whose console cannot be opened.

    Raises:
        WrongIdPrefix, MalformedId, NoSuchVm, WrongVmState.
    """
    lookup.check_id(vm_id, ids.VM)
    with region.store.read() as connection:
        vm = vms.get(connection, vm_id)
    if vm is None:
        raise NoSuchVm(vm_id=vm_id)
    check_state(vm)


def check_state(vm: Vm) -> None:
    """Refuse a VM that does not run.

    Raises:
        WrongVmState.
    """
    if vm.state != VmState.RUNNING:
        raise WrongVmState(vm_id=vm.vm_id, state=vm.state, reason="only a running VM has a console.")
