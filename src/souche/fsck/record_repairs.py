"""Repairs of contradicting records. All are idempotent."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias

from souche.db import (
    disk_imports,
    export_tasks,
    images,
    operations,
    public_ips,
    snapshots,
    tags,
    vms,
    volume_updates,
    volumes,
)
from souche.db.transactions import Transaction
from souche.fsck.findings import Repair, Tools
from souche.model import stop_reasons
from souche.model.operations import Operation
from souche.operations.snapshots import delete_snapshot
from souche.operations.vms import delete_vm
from souche.operations.volumes import delete_volume
from souche.states import ExportState, LinkState, SnapshotState, VmState, VolumeState, VolumeUpdateState
from souche.workflows.enqueue import enqueue

Act: TypeAlias = Callable[[Transaction, Tools, str], None]

REASON: Final = "the work on it was lost, and `souche fsck --repair` ended it"


def of(code: str, resource_id: str) -> Repair | None:
    """The repair of a contradiction of this kind; None if only a backup repairs it."""
    if code not in _REPAIRS:
        return None
    text, act = _REPAIRS[code]

    def settle(tools: Tools) -> None:
        with tools.store.begin() as connection:
            act(connection, tools, resource_id)

    return Repair(text, settle)


def _fail_image(connection: Transaction, _tools: Tools, image_id: str) -> None:
    made = [each.snapshot_id for each in snapshots.of_image_creation(connection, image_id)]
    images.set_failed(connection, image_id, REASON)
    snapshots.erase(connection, made)
    for snapshot_id in made:
        tags.erase(connection, snapshot_id)


def _settle_snapshot(connection: Transaction, tools: Tools, snapshot_id: str) -> None:
    snapshot = snapshots.get(connection, snapshot_id)
    if snapshot is not None and snapshot.state == SnapshotState.DELETING:
        _request(connection, tools, partial(delete_snapshot, snapshot))
    else:
        snapshots.set_state(connection, [snapshot_id], SnapshotState.ERROR, progress_percent=0)
        disk_imports.erase(connection, [snapshot_id])


def _settle_volume(connection: Transaction, tools: Tools, volume_id: str) -> None:
    volume = volumes.get(connection, volume_id)
    if volume is not None and volume.state == VolumeState.DELETING:
        _request(connection, tools, partial(delete_volume, volume))
    else:
        volumes.set_state(connection, volume_id, VolumeState.ERROR)


def _settle_vm(connection: Transaction, tools: Tools, vm_id: str) -> None:
    vm = vms.get(connection, vm_id)
    if vm is not None and vm.state == VmState.SHUTTING_DOWN:
        _request(connection, tools, partial(delete_vm, vm))
    else:
        vms.set_state(connection, vm_id, VmState.STOPPED, stop_reasons.failed(REASON))


def _request(connection: Transaction, tools: Tools, make: Callable[[int], Operation]) -> None:
    """With a new operation id: an operation that has ended would not run again."""
    now = tools.clock.now()
    operation = make(int(now.timestamp() * 1000))
    if not operations.of_subject(connection, operation.subject_id):
        enqueue(connection, [operation], now)


def _settle_link(connection: Transaction, _tools: Tools, volume_id: str) -> None:
    """The volume stays attached: a guest may have it open. The caller can unlink it."""
    volumes.set_state(connection, volume_id, VolumeState.IN_USE)
    volumes.set_link_state(connection, volume_id, LinkState.ATTACHED)


def _unlink(connection: Transaction, _tools: Tools, volume_id: str) -> None:
    volumes.unlink(connection, volume_id)
    volumes.set_state(connection, volume_id, VolumeState.AVAILABLE)


def _fail_update(connection: Transaction, tools: Tools, task_id: str) -> None:
    now = tools.clock.now()
    volume_updates.set_state(connection, task_id, VolumeUpdateState.FAILED, comment=REASON, ended=now)


def _fail_export(connection: Transaction, _tools: Tools, task_id: str) -> None:
    export_tasks.end(connection, task_id, state=ExportState.FAILED, comment=REASON, sealed_manifest_url=None)


def _end_export(connection: Transaction, _tools: Tools, task_id: str) -> None:
    export_tasks.end(connection, task_id)


def _end_lease(connection: Transaction, _tools: Tools, vm_id: str) -> None:
    vms.set_attributes(connection, vm_id, {"address_lease": None})


def _unlink_public_ip(connection: Transaction, _tools: Tools, public_ip_id: str) -> None:
    public_ips.unlink(connection, public_ip_id)


def _forget_import(connection: Transaction, _tools: Tools, snapshot_id: str) -> None:
    disk_imports.erase(connection, [snapshot_id])


_REPAIRS: Final[Mapping[str, tuple[str, Act]]] = {
    "ImageStuck": ("it becomes 'failed', and its unfinished snapshots go", _fail_image),
    "SnapshotStuck": ("it becomes 'error'; one that is 'deleting' is deleted", _settle_snapshot),
    "VolumeStuck": ("it becomes 'error'; one that is 'deleting' is deleted", _settle_volume),
    "VmStuck": ("it becomes 'stopped'; one that is 'shutting-down' is deleted", _settle_vm),
    "LinkStuck": ("the volume counts as attached", _settle_link),
    "VolumeUpdateStuck": ("it becomes 'failed', the volume's record stays as it is", _fail_update),
    "ExportStuck": ("it becomes 'failed', and releases its snapshots", _fail_export),
    "VolumeInUseUnlinked": ("it becomes 'available'", _unlink),
    "VolumeLinkedNotInUse": ("it becomes 'in-use'", _settle_link),
    "LinkOfTerminatedVm": ("it is unlinked, and becomes 'available'", _unlink),
    "LeaseLeft": ("the address becomes free", _end_lease),
    "PublicIpOfTerminatedVm": ("it is unlinked", _unlink_public_ip),
    "ImportLeft": ("the URL is forgotten", _forget_import),
    "ExportDisksLeft": ("the export releases its snapshots", _end_export),
}
