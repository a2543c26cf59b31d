"""Volumes that are deleted with their VM: no other request may use them."""

from souche.db import vms
from souche.db.transactions import Transaction
from souche.model.volumes import Volume
from souche.refusals import WrongVolumeState
from souche.states import VmState


def check_stays(connection: Transaction, volume: Volume) -> None:
    """Refuse a volume that is deleted with its VM: any work requested now would run after its deletion, and fail.

    Raises:
        WrongVolumeState.
    """
    if volume.link is None or not volume.link.delete_on_vm_deletion:
        return
    vm = vms.get(connection, volume.link.vm_id)
    if vm is not None and vm.state == VmState.SHUTTING_DOWN:
        reason = f"it is being deleted with {vm.vm_id}"
        raise WrongVolumeState(volume_id=volume.volume_id, state=volume.state, reason=reason)
