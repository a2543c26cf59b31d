"""Make a clean image of another (docs/trust.md, "Clean images").

The transaction before has written the image (`pending`) and one snapshot (`in-queue`) for each of the source's.

1. keep: the volume store copies each of the source's snapshots, in constant time, to a disk without a record
   (`ids.cleaning`). From now on the source may be deleted. Undo: forget these disks.
2. clean: cleanings take turns, one at a time in the region. A volume is made of each copy, and the cleaner works on the
   volumes. Its changes are recorded. A repeated step begins with new volumes. Undo: forget the volumes and the record.
3. capture: the volumes become the image's snapshots. Undo: forget the snapshots.
4. complete: the snapshots become `completed` and the image `available`, in one transaction. A report is made of it, as
   of every image.
5. remove: forget the disks without a record. Forward only, because the image already exists.

If a step fails, the image becomes `failed` with the reason, and its snapshots are removed.
"""

from contextlib import ExitStack
from functools import partial

from souche import ids
from souche.db import image_cleanings, images, snapshots
from souche.errors import SoucheError
from souche.model.image_cleanings import Cleaned, Cleaning
from souche.model.images import Image
from souche.model.operations import Operation
from souche.model.snapshots import Snapshot
from souche.operations.images import CleanImage
from souche.room import GIB
from souche.states import SnapshotState
from souche.storage.base import Capture
from souche.trust.engine import Facts
from souche.workflows import create_image, locks
from souche.workflows.engine import Lane, Step, Workflow
from souche.workflows.parts import Parts


class ImageGone(SoucheError):
    """The image {image_id} was deleted while it was made."""


def _keep(parts: Parts, operation: Operation) -> None:
    for snapshot in _made(parts, operation):
        parts.volumes.copy_snapshot(ids.cleaning(snapshot.snapshot_id), snapshot.source_snapshot_id or "")


def _clean(parts: Parts, operation: Operation) -> None:
    image, made = _wanted(parts, operation), _made(parts, operation)
    ask = partial(_wanted, parts, operation)
    with parts.cleaning_turns.turn(image.account_id, ask):
        for snapshot in made:
            _reset(parts, snapshot)
        cleaned = _cleaned(parts, operation, image, made)
    with parts.store.begin() as connection:
        if images.get(connection, image.image_id) is None:
            raise ImageGone(image_id=image.image_id)
        image_cleanings.store(connection, _record(parts, image, cleaned))


def _reset(parts: Parts, snapshot: Snapshot) -> None:
    working_id = ids.cleaning(snapshot.snapshot_id)
    parts.volumes.delete_volume(working_id)
    parts.volumes.clone_volume(working_id, working_id, snapshot.volume_size_gib * GIB)


def _cleaned(parts: Parts, operation: Operation, image: Image, made: list[Snapshot]) -> Cleaned:
    """Clean the volumes, the root's first. The snapshots show the progress."""
    facts = Facts(image.boot_modes, parts.clock.now().date())
    root = image.root_mapping.snapshot_id
    ordered = sorted(made, key=lambda snapshot: snapshot.snapshot_id != root)
    told = -1

    def on_progress(percent: int) -> None:
        nonlocal told
        parts.room.check()
        _wanted(parts, operation)
        if percent != told:
            with parts.store.begin() as connection:
                snapshot_ids = [snapshot.snapshot_id for snapshot in made]
                snapshots.set_state(
                    connection, snapshot_ids, SnapshotState.PENDING, progress_percent=min(percent, 99)
                )
            told = percent

    with ExitStack() as stack:
        serve = parts.volumes.write_volume
        disks = [stack.enter_context(serve(ids.cleaning(each.snapshot_id))) for each in ordered]
        return parts.cleaner.clean(disks, facts, on_progress)


def _record(parts: Parts, image: Image, cleaned: Cleaned) -> Cleaning:
    return Cleaning(
        image.image_id, image.source_image_id or "", parts.clock.now(), cleaned.engine, cleaned.done
    )


def _capture(parts: Parts, operation: Operation) -> None:
    made = [each.snapshot_id for each in _made(parts, operation)]
    parts.volumes.capture([Capture(ids.cleaning(each), each) for each in made], vm_id=None, live=None)


def _forget(parts: Parts, operation: Operation) -> None:
    """Forget the volumes of the cleaning. Those of a deleted image are left to the sweep."""
    for snapshot in _made(parts, operation):
        working_id = ids.cleaning(snapshot.snapshot_id)
        parts.volumes.delete_volume(working_id)
        parts.volumes.delete_snapshot(working_id)


def _failed(parts: Parts, operation: Operation, reason: str) -> None:
    with parts.store.begin() as connection:
        image_cleanings.erase(connection, operation.subject_id)
    create_image.failed(parts, operation, reason)


def _made(parts: Parts, operation: Operation) -> list[Snapshot]:
    with parts.store.read() as connection:
        return snapshots.of_image_creation(connection, operation.subject_id)


def _wanted(parts: Parts, operation: Operation) -> Image:
    """The image that is being made, unless it was deleted.

    Raises:
        ImageGone.
    """
    with parts.store.read() as connection:
        image = images.get(connection, operation.subject_id)
    if image is None:
        raise ImageGone(image_id=operation.subject_id)
    return image


WORKFLOW = Workflow(
    params=CleanImage,
    steps=(
        Step("keep", create_image.unless_complete(_keep), _forget),
        Step("clean", create_image.unless_complete(_clean)),
        Step("capture", create_image.unless_complete(_capture), create_image.forget),
        Step("complete", create_image.unless_complete(create_image.complete)),
        Step("remove", _forget, forward_only=True),
    ),
    failed=_failed,
    lock=locks.subject,
    lane=Lane.TRANSFERS,
)
