"""Withdraws deprecated official images on their date, and deletes withdrawn ones after their days of grace.

The image is deleted with its snapshots, except those that another image of their owner uses. If a copy or a volume is
being made of a snapshot, the next round deletes it.
"""

import structlog

from souche.db import image_lives, images
from souche.db.transactions import Transaction
from souche.model.image_lives import Life
from souche.model.images import Image
from souche.reconcile.each import each
from souche.workflows import delete_snapshot, withdrawals
from souche.workflows.enqueue import enqueue
from souche.workflows.parts import Records

log = structlog.get_logger()


def retire(records: Records) -> None:
    """Withdraw the images whose deprecation date has passed, as of that date, and delete those whose grace period is
    over."""
    with records.store.read() as connection:
        due = image_lives.due(connection, records.clock.now())

    def retire_one(life: Life) -> None:
        with records.store.begin() as connection:
            if withdrawals.withdraw_due(connection, life.image_id, records.clock.now()):
                log.info("withdrew a deprecated image", image_id=life.image_id)

    each(due, retire_one, lambda life: life.image_id)
    remove(records)


def remove(records: Records) -> None:
    """Delete images whose last launch date has passed. The deletion of snapshots is only requested; another sweep
    starts it."""
    with records.store.read() as connection:
        found = images.outlived(connection, records.clock.now())

    def remove_one(image: Image) -> None:
        with records.store.begin() as connection:
            _remove(records, connection, image)

    each(found, remove_one, lambda image: image.image_id)


def _remove(records: Records, connection: Transaction, image: Image) -> None:
    if any(delete_snapshot.is_being_read(connection, snapshot_id) for snapshot_id in image.snapshot_ids):
        return
    log.info("removing a withdrawn image", image_id=image.image_id, name=image.name)
    withdrawals.tell_of_deletion(connection, image, withdrawals.GRACE_OVER, records.clock.now())
    images.erase(connection, image.image_id)
    requested = delete_snapshot.begin_unused(connection, image.snapshot_ids)
    enqueue(connection, requested, records.clock.now())
