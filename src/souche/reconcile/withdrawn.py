"""Official images whose time is over: an update has withdrawn them, and the days of grace are past.

The image goes, and its snapshots with it, but for those that another image of their owner has. Where a copy or a
volume is being made of one at this moment, the next round sees to it.
"""

import sqlalchemy as sa
import structlog

from souche.db import images
from souche.model.images import Image
from souche.reconcile.each import each
from souche.workflows import delete_snapshot, promises
from souche.workflows.parts import Parts

log = structlog.get_logger()


def remove(parts: Parts) -> None:
    """Delete the images that were launchable until now. The deletion of snapshots is promised only: another sweep
    starts it."""
    with parts.store.read() as connection:
        found = images.outlived(connection, parts.clock.now())

    def remove_one(image: Image) -> None:
        with parts.store.begin() as connection:
            _remove(parts, connection, image)

    each(found, remove_one, lambda image: image.image_id)


def _remove(parts: Parts, connection: sa.Connection, image: Image) -> None:
    if any(delete_snapshot.is_being_read(connection, snapshot_id) for snapshot_id in image.snapshot_ids):
        return
    log.info("removing a withdrawn image", image_id=image.image_id, name=image.name)
    images.erase(connection, image.image_id)
    promised = delete_snapshot.begin_unused(connection, image.snapshot_ids)
    promises.write(connection, promised, parts.clock.now())
