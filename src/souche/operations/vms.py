"""Operations on VMs. `generation` is the number that the VM's record was given with its passing state."""

from dataclasses import dataclass
from typing import ClassVar

from souche.model.operations import Operation, Params, make
from souche.model.vms import Vm


@dataclass(frozen=True)
class CreateVm(Params):
    """With `boot` it is started immediately."""

    workflow: ClassVar[str] = "create_vm"

    boot: bool


def create_vm(vm: Vm, *, boot: bool) -> Operation[CreateVm]:
    """Launch a VM."""
    return make(CreateVm(boot), vm.vm_id, vm.account_id)


@dataclass(frozen=True)
class StartVm(Params):
    """The VM that the operation is for."""

    workflow: ClassVar[str] = "start_vm"


def start_vm(vm: Vm, generation: int) -> Operation[StartVm]:
    """Start a stopped VM."""
    return make(StartVm(), vm.vm_id, vm.account_id, str(generation))


@dataclass(frozen=True)
class StopVm(Params):
    """With `force` the power is cut. `behavior` is the following action, None: the one in the VM's record; `reason` is
    the reason for the stop, None: the user's request."""

    workflow: ClassVar[str] = "stop_vm"

    force: bool
    behavior: str | None = None
    reason: str | None = None


def stop_vm(vm: Vm, generation: int, params: StopVm) -> Operation[StopVm]:
    """Stop a running VM."""
    return make(params, vm.vm_id, vm.account_id, str(generation))


@dataclass(frozen=True)
class RebootVm(Params):
    """The VM that the operation is for."""

    workflow: ClassVar[str] = "reboot_vm"


def reboot_vm(vm: Vm, generation: int) -> Operation[RebootVm]:
    """Restart a running VM in place."""
    return make(RebootVm(), vm.vm_id, vm.account_id, str(generation))


@dataclass(frozen=True)
class DeleteVm(Params):
    """The VM that the operation is for."""

    workflow: ClassVar[str] = "delete_vm"


def delete_vm(vm: Vm, generation: int) -> Operation[DeleteVm]:
    """Terminate a VM."""
    return make(DeleteVm(), vm.vm_id, vm.account_id, str(generation))
