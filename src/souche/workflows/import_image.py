"""Make an image from an operator's disk file on this machine (`souche image build`).

The transaction before has written the image (`pending`, and private), one snapshot (`in-queue`) and the mapping between
them. The file is inside the region's home and belongs to this workflow.

1. import: the volume store imports the bytes. Undo: forget the snapshot there.
2. examine: the report of the image is made. It fails on a finding of severity high that the publisher did not accept.
3. boot: the image is booted, if requested (`verify`). It fails if the image never reaches a login prompt.
4. complete: the snapshot becomes `completed` and the image `available` and public, in one transaction.
5. withdraw former: only the newest image of the family stays listed. Earlier ones can be launched by their ids for
   another `grace_days`. Forward only, because the image already exists.
6. remove file.

If a step fails, the image becomes `failed` with the reason, and private. Its snapshot and the file are removed.
"""

from pathlib import Path

from souche.db import images
from souche.model.disks import FileSource
from souche.model.operations import Operation
from souche.operations.images import ImportImage
from souche.workflows import booting, create_image, examinations, locks, withdrawals
from souche.workflows.engine import Lane, Step, Workflow
from souche.workflows.parts import Parts


def _import(parts: Parts, operation: Operation[ImportImage]) -> None:
    (capture,) = create_image.captures(parts, operation.subject_id)
    parts.volumes.import_snapshot(
        capture.snapshot_id,
        FileSource(_path(operation), operation.params.format),
        operation.params.size_bytes,
    )


def _examine(parts: Parts, operation: Operation) -> None:
    examinations.report_wholly(parts, operation.subject_id)
    examinations.check_publishable(parts, operation.subject_id)


def _boot(parts: Parts, operation: Operation[ImportImage]) -> None:
    if operation.params.verify and parts.booter is not None:
        booting.check(booting.verify(parts, parts.booter, operation.subject_id))


def _complete(parts: Parts, operation: Operation[ImportImage]) -> None:
    with parts.store.begin() as connection:
        images.set_public(connection, operation.subject_id, public=True)
        create_image.set_complete(connection, operation.subject_id)


def _withdraw_former(parts: Parts, operation: Operation[ImportImage]) -> None:
    grace_days = operation.params.grace_days
    with parts.store.begin() as connection:
        image = images.get(connection, operation.subject_id)
        if image and image.family:
            withdrawals.replace_former(
                connection, image.account_id, image.family, grace_days, parts.clock.now()
            )


def _remove_file(parts: Parts, operation: Operation[ImportImage]) -> None:
    _path(operation).unlink(missing_ok=True)


def _failed(parts: Parts, operation: Operation[ImportImage], reason: str) -> None:
    _remove_file(parts, operation)
    with parts.store.begin() as connection:
        images.set_public(connection, operation.subject_id, public=False)
    create_image.failed(parts, operation, reason)


def _path(operation: Operation[ImportImage]) -> Path:
    return Path(operation.params.path)


WORKFLOW = Workflow(
    params=ImportImage,
    steps=(
        Step("import", create_image.unless_complete(_import), create_image.forget),
        Step("examine", create_image.unless_complete(_examine)),
        Step("boot", create_image.unless_complete(_boot)),
        Step("complete", create_image.unless_complete(_complete)),
        Step("withdraw former", _withdraw_former, forward_only=True),
        Step("remove file", _remove_file, forward_only=True),
    ),
    failed=_failed,
    lock=locks.subject,
    lane=Lane.TRANSFERS,
)
