"""Terminate a VM. Forward only: each step is retried until it succeeds.

1. remove: power the guest off; the hypervisor forgets the guest, its address and all its runtime data. The guest leaves
   its security groups before another VM can get the address.
2. delete volumes: those that are deleted with the VM.

Ending: these volumes are deleted, the others are `available` again. The VM is `terminated`, with the reason recorded at
the start of its deletion, and listed for another hour.
"""

from souche.db import tags, vms, volumes
from souche.db.transactions import Transaction
from souche.model.operations import Operation
from souche.model.volumes import Volume
from souche.operations.vms import DeleteVm
from souche.states import VolumeState
from souche.workflows import guests, locks
from souche.workflows.engine import Ending, Step, Workflow
from souche.workflows.parts import Parts


def _goes_too(volume: Volume) -> bool:
    return volume.link is not None and volume.link.delete_on_vm_deletion


def _delete_volumes(parts: Parts, operation: Operation) -> None:
    with parts.store.read() as connection:
        attached = volumes.of_vm(connection, operation.subject_id)
    for volume in attached:
        if _goes_too(volume):
            parts.volumes.delete_volume(volume.volume_id)


def _record(connection: Transaction, parts: Parts, operation: Operation) -> None:
    for volume in volumes.of_vm(connection, operation.subject_id):
        if _goes_too(volume):
            volumes.erase(connection, volume.volume_id)
            tags.erase(connection, volume.volume_id)
        else:
            volumes.unlink(connection, volume.volume_id)
            volumes.set_state(connection, volume.volume_id, VolumeState.AVAILABLE)
    vm = vms.get(connection, operation.subject_id)
    reason = vm.state_reason if vm else ""
    vms.set_terminated(connection, operation.subject_id, reason, parts.clock.now())


WORKFLOW = Workflow(
    params=DeleteVm,
    steps=(
        Step("remove", guests.remove),
        Step("delete volumes", _delete_volumes),
    ),
    lock=locks.subject,
    ending=Ending(_record),
)
