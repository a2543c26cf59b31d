"""Make an image from a VM.

The transaction before has written the image (`pending`), one snapshot (`in-queue`) for each attached volume, and the
mappings that tie them.

1. shut down: only if the caller wants the VM at rest (`restart`). Undo: start it again.
2. capture: freeze all volumes into their snapshots at one instant; a running guest continues. The snapshots and the
   mappings get the captured sizes.
   Undo: forget the snapshots in the volume store; the volumes keep their bytes.
3. complete: the snapshots become `completed` and the image `available`, in one transaction.
4. start: if step 1 has shut the VM down. A VM that does not start stays `stopped` with the reason. Forward only,
   because the image is valid anyway.

If a step fails, the image becomes `failed` with the reason, and its snapshots are removed.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeVar

from souche.db import images, snapshots, tags, vms
from souche.db.transactions import Transaction
from souche.errors import RecordsUnavailable, SystemFailure
from souche.model import stop_reasons
from souche.model.images import Consistency
from souche.model.operations import Operation, Params
from souche.operations.images import CreateImage
from souche.states import ImageState, SnapshotState, VmState
from souche.storage.base import Capture, CaptureReport
from souche.workflows import guests, locks
from souche.workflows.create_snapshot import record_sizes
from souche.workflows.engine import Action, Lane, Step, Workflow, reason_of
from souche.workflows.parts import Parts

OF_RUNNING: Final[Mapping[bool | None, Literal["quiesced", "crash-consistent"] | None]] = {
    True: "quiesced",
    False: "crash-consistent",
    None: None,
}


P = TypeVar("P", bound=Params)


def unless_complete(do: Action[P]) -> Action[P]:
    """A step for an image that is not complete yet. If the journal is lost after completion, the workflow starts again.
    By then the image's source, or one of its snapshots, may be deleted: the step would fail, and undo the rest."""

    def act(parts: Parts, operation: Operation[P]) -> None:
        if not _is_complete(parts, operation.subject_id):
            do(parts, operation)

    return act


def _is_complete(parts: Parts, image_id: str) -> bool:
    """Whether `set_complete` was done. Since then the image and some or all of its snapshots may have been deleted. An
    incomplete image always has its record, or snapshots that are being deleted."""
    with parts.store.read() as connection:
        image = images.get(connection, image_id)
        made = snapshots.of_image_creation(connection, image_id)
    if image is None and not made:
        return True
    return (image is not None and image.state == ImageState.AVAILABLE) or any(
        snapshot.state == SnapshotState.COMPLETED for snapshot in made
    )


def _shut_down(parts: Parts, operation: Operation[CreateImage]) -> None:
    if operation.params.restart:
        parts.hypervisor.shut_down(operation.params.vm_id, parts.shutdown_timeout_seconds)


def _capture(parts: Parts, operation: Operation[CreateImage]) -> None:
    wanted = captures(parts, operation.subject_id)
    report = parts.volumes.capture(wanted, vm_id=operation.params.vm_id, live=parts.live)
    image_id = operation.subject_id
    with parts.store.begin() as connection:
        for snapshot_id, size_gib in record_sizes(connection, report).items():
            images.set_snapshot_size(connection, image_id, snapshot_id, size_gib)
        _record_consistency(connection, image_id, report)


def _record_consistency(connection: Transaction, image_id: str, report: CaptureReport) -> None:
    """Recorded once: a repeated capture no longer knows the consistency."""
    image = images.get(connection, image_id)
    if image is None or image.consistency is not None:
        return
    if report.done_before:
        images.set_captured(connection, image_id, Consistency(one_instant=True), None)
    elif report.hold is None:
        images.set_captured(connection, image_id, Consistency("at-rest", one_instant=True), None)
    else:
        state = OF_RUNNING[report.hold.quiesced]
        images.set_captured(connection, image_id, Consistency(state, one_instant=True), report.hold.seconds)


def forget(parts: Parts, operation: Operation) -> None:
    for capture in captures(parts, operation.subject_id):
        parts.volumes.delete_snapshot(capture.snapshot_id)


def complete(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        set_complete(connection, operation.subject_id)


def set_complete(connection: Transaction, image_id: str) -> None:
    """Record that the image and the snapshots made for it are complete."""
    made = snapshots.of_image_creation(connection, image_id)
    ids = [snapshot.snapshot_id for snapshot in made]
    snapshots.set_state(connection, ids, SnapshotState.COMPLETED, progress_percent=100)
    images.set_state(connection, image_id, ImageState.AVAILABLE)


def _start(parts: Parts, operation: Operation[CreateImage]) -> None:
    if not operation.params.restart:
        return
    try:
        guests.power_on(parts, operation.params.vm_id)
    except RecordsUnavailable:
        raise  # no fault of the VM: the step waits for the database
    except SystemFailure as error:
        _settle_vm(parts, operation.params, VmState.STOPPED, stop_reasons.failed(reason_of(error)))
    else:
        _settle_vm(parts, operation.params, VmState.RUNNING, "")


def failed(parts: Parts, operation: Operation, reason: str) -> None:
    with parts.store.begin() as connection:
        made = snapshots.of_image_creation(connection, operation.subject_id)
        images.set_failed(connection, operation.subject_id, reason)
        if any(snapshot.state == SnapshotState.DELETING for snapshot in made):
            parts.tally.cancelled(operation.operation_id)
        snapshots.erase(connection, [snapshot.snapshot_id for snapshot in made])
        for snapshot in made:
            tags.erase(connection, snapshot.snapshot_id)


def captures(parts: Parts, image_id: str) -> list[Capture]:
    with parts.store.read() as connection:
        made = snapshots.of_image_creation(connection, image_id)
    return [Capture(snapshot.volume_id or "", snapshot.snapshot_id) for snapshot in made]


def _settle_vm(parts: Parts, params: CreateImage, state: VmState, reason: str) -> None:
    """End the transition of CreateImage, not one of StopVms: both pass through `stopping`. A stop is requested
    meanwhile, or after this step, which then is done again if a crash came before its entry in the journal."""
    with parts.store.begin() as connection:
        vm = vms.get(connection, params.vm_id)
        if vm is not None and params.generation in (None, vm.generation):
            guests.settle(connection, params.vm_id, [VmState.STOPPING], state, reason)


WORKFLOW = Workflow(
    params=CreateImage,
    steps=(
        Step("shut down", unless_complete(_shut_down), _start),
        Step("capture", unless_complete(_capture), forget),
        Step("complete", unless_complete(complete)),
        Step("start", _start, forward_only=True),
    ),
    failed=failed,
    lock=locks.vm_and_captured_volumes,
    lane=Lane.GUESTS,
)
