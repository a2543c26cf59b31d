"""Launch a VM.

The transaction before has written the VM (`pending`), its volumes (`creating`), and their links.

1. make volumes: clone each from its snapshot, or create it empty. Undo: forget them in the volume store.
2. define: define the guest in the hypervisor, with its DHCP reservation and security groups. The rules of its groups
   apply to it, and it is a member in other rules. Undo: remove the guest.
3. start: unless the caller wants the VM off (`boot`). Undo: by the undo of step 2.

Ending: the volumes are `in-use`, the VM is `running` or `stopped`. If a step fails, the VM becomes `terminated` with
the reason, and its volumes are removed.
"""

from souche.db import tags, vms, volumes
from souche.db.transactions import Transaction
from souche.model import stop_reasons
from souche.model.operations import Operation
from souche.model.volumes import Volume
from souche.operations.vms import CreateVm
from souche.room import GIB
from souche.states import LinkState, VmState
from souche.workflows import guests, locks
from souche.workflows.engine import Ending, Step, Workflow
from souche.workflows.parts import Parts


def make_volume(parts: Parts, volume: Volume) -> None:
    """Create a recorded volume in the store."""
    size_bytes = volume.size_gib * GIB
    if volume.snapshot_id is None:
        parts.volumes.create_volume(volume.volume_id, size_bytes)
    else:
        parts.volumes.clone_volume(volume.volume_id, volume.snapshot_id, size_bytes)


def _make_volumes(parts: Parts, operation: Operation) -> None:
    with parts.store.read() as connection:
        recorded = volumes.of_vm(connection, operation.subject_id)
    for volume in recorded:
        make_volume(parts, volume)


def _forget_volumes(parts: Parts, operation: Operation) -> None:
    with parts.store.read() as connection:
        made = volumes.of_vm(connection, operation.subject_id)
    for volume in made:
        parts.volumes.delete_volume(volume.volume_id)


def _define(parts: Parts, operation: Operation) -> None:
    guests.define(parts, operation.subject_id, [LinkState.ATTACHING, LinkState.ATTACHED])


def _start(parts: Parts, operation: Operation[CreateVm]) -> None:
    if operation.params.boot:
        parts.hypervisor.start(operation.subject_id)


def _record(connection: Transaction, parts: Parts, operation: Operation[CreateVm]) -> None:
    boot = operation.params.boot
    state, reason = (VmState.RUNNING, "") if boot else (VmState.STOPPED, stop_reasons.BY_USER)
    volumes.set_attached(connection, operation.subject_id)
    guests.settle(connection, operation.subject_id, [VmState.PENDING], state, reason)


def _failed(connection: Transaction, parts: Parts, operation: Operation, reason: str) -> None:
    for volume in volumes.of_vm(connection, operation.subject_id):
        volumes.erase(connection, volume.volume_id)
        tags.erase(connection, volume.volume_id)
    vms.set_terminated(connection, operation.subject_id, stop_reasons.failed(reason), parts.clock.now())


WORKFLOW = Workflow(
    params=CreateVm,
    steps=(
        Step("make volumes", _make_volumes, _forget_volumes),
        Step("define", _define, guests.remove),
        Step("start", _start, guests.remove),
    ),
    ending=Ending(_record, _failed),
    lock=locks.subject,
)
