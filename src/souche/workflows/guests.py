"""What several VM workflows do alike: the guest that a VM's record describes, defined and powered on."""

from souche.compute.base import Guest
from souche.db import vms
from souche.errors import ComputeFailed
from souche.model.disks import GuestDisk
from souche.model.operations import Operation
from souche.model.vms import Vm
from souche.states import LinkState
from souche.workflows.parts import Parts


def get(parts: Parts, vm_id: str) -> Vm:
    """The VM's record.

    Raises:
        ComputeFailed: it has none any more.
    """
    with parts.store.read() as connection:
        vm = vms.get(connection, vm_id)
    if vm is None:
        raise ComputeFailed(reason=f"the VM '{vm_id}' is not in the database")
    return vm


def define(parts: Parts, vm_id: str) -> None:
    """Tell the hypervisor of the VM as its record has it now, with the disks' present sources."""
    parts.hypervisor.define(_guest(parts, get(parts, vm_id)))


def power_on(parts: Parts, vm_id: str) -> None:
    """Define the VM anew and start it."""
    define(parts, vm_id)
    parts.hypervisor.start(vm_id)


def remove(parts: Parts, operation: Operation) -> None:
    """Power off and forget the guest that the operation is for."""
    parts.hypervisor.remove(operation.subject_id)


def _guest(parts: Parts, vm: Vm) -> Guest:
    disks = tuple(
        GuestDisk(volume.volume_id, volume.link.device_name, parts.volumes.volume_source(volume.volume_id))
        for volume in vm.volumes
        if volume.link and volume.link.state != LinkState.DETACHING
    )
    return Guest(
        vm_id=vm.vm_id,
        vcpus=vm.vcpus,
        memory_mib=vm.memory_mib,
        architecture=vm.architecture,
        boot_mode=vm.boot_mode,
        disks=disks,
        mac_address=vm.mac_address,
        private_ip=vm.private_ip,
        hostname=hostname(vm.private_ip),
        nested_virtualization=vm.nested_virtualization,
        tpm_enabled=vm.tpm_enabled,
    )


def hostname(private_ip: str) -> str:
    """The name that a VM is given by its address, as OUTSCALE does: `ip-10-0-0-4`."""
    return "ip-" + private_ip.replace(".", "-")
