"""Freeze volumes for a backup: those of one VM at one instant, or one volume without a VM.

1. capture: freeze the volumes into snapshots that no account sees; a running guest continues.
   Undo: forget the snapshots; the volumes keep their bytes.

The snapshots have no records. The backup, which waits for this workflow, detects missing ones, and forgets all at its
end.

The subject is the VM, or the volume.
"""

import structlog

from souche.db import vms, volumes
from souche.db.transactions import Transaction
from souche.model.operations import Operation
from souche.model.volumes import Volume
from souche.operations.backups import CaptureForBackup
from souche.states import LinkState
from souche.storage.base import Capture
from souche.words import PLAIN
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts

log = structlog.get_logger()


def _capture(parts: Parts, operation: Operation[CaptureForBackup]) -> None:
    vm_id, wanted = _wanted(parts, operation)
    if wanted:
        parts.volumes.capture(wanted, vm_id=vm_id, live=parts.live)


def _forget(parts: Parts, operation: Operation[CaptureForBackup]) -> None:
    for capture in _wanted(parts, operation)[1]:
        parts.volumes.delete_snapshot(capture.snapshot_id)


def _wanted(parts: Parts, operation: Operation[CaptureForBackup]) -> tuple[str | None, list[Capture]]:
    """The VM, if there is one, and the captures, without those of deleted volumes."""
    with parts.store.read() as connection:
        vm = vms.get(connection, operation.subject_id)
        volume = volumes.get(connection, operation.subject_id)
    found = [each for each in vm.volumes if _is_attached(each)] if vm else []
    if volume is not None and volume.link is None:
        found = [volume]
    prefix = operation.params.snapshot_prefix
    captures = [Capture(each.volume_id, prefix + each.volume_id) for each in found]
    return (vm.vm_id if vm else None), captures


def _is_attached(volume: Volume) -> bool:
    return volume.link is not None and volume.link.state == LinkState.ATTACHED


def _failed(parts: Parts, operation: Operation, reason: str) -> None:
    log.warning("not captured for a backup", subject_id=operation.subject_id, reason=PLAIN.fill(reason))


def _lock(connection: Transaction, operation: Operation) -> frozenset[str]:
    """The VM and its volumes, including those that an earlier operation attaches; or the one volume."""
    linked = volumes.of_vm(connection, operation.subject_id)
    return frozenset({operation.subject_id, *(volume.volume_id for volume in linked)})


WORKFLOW = Workflow(
    params=CaptureForBackup,
    steps=(Step("capture", _capture, _forget),),
    failed=_failed,
    lock=_lock,
)
