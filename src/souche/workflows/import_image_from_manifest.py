"""Make an image from the disks that a manifest names, in another region's bucket or anywhere else.

The transaction before has written the image (`pending`), one snapshot for each disk (`in-queue`), the mappings that tie
them, and the URL of each disk.

1. take in: each disk is downloaded into a file, inspected and checked, and imported into the volume store. Meanwhile
   its snapshot is `pending` and shows the progress. Undo: forget the snapshots in the volume store, and the files.
2. complete: the snapshots become `completed` and the image `available`, in one transaction.
3. forget sources: the files and the URLs. Forward only, because the image already exists.

If a step fails, the image becomes `failed` with the reason, and its snapshots are removed. Deleting the incomplete
image cancels the import: its snapshots become `deleting`, which this workflow checks continuously.
"""

from souche.db import disk_imports, snapshots
from souche.model.operations import Operation
from souche.operations.images import ImportImageFromManifest
from souche.workflows import create_image, imported_disks, locks
from souche.workflows.engine import Lane, Step, Workflow
from souche.workflows.parts import Parts


def _complete(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        for snapshot in snapshots.of_image_creation(connection, operation.subject_id):
            imported_disks.check_wanted(connection, snapshot.snapshot_id)
        create_image.set_complete(connection, operation.subject_id)


def _forget_sources(parts: Parts, operation: Operation) -> None:
    imported_disks.remove_files(parts, operation)
    with parts.store.begin() as connection:
        made = snapshots.of_image_creation(connection, operation.subject_id)
        disk_imports.erase(connection, [snapshot.snapshot_id for snapshot in made])


WORKFLOW = Workflow(
    params=ImportImageFromManifest,
    steps=(
        Step("take in", create_image.unless_complete(imported_disks.take_in), imported_disks.forget),
        Step("complete", create_image.unless_complete(_complete)),
        Step("forget sources", _forget_sources, forward_only=True),
    ),
    failed=create_image.failed,
    lock=locks.subject,
    lane=Lane.TRANSFERS,
)
