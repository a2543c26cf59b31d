"""The consistency of an image that is registered from snapshots."""

from collections.abc import Sequence

from souche.db import images, snapshots
from souche.db.transactions import Transaction
from souche.model.images import Consistency, ImageMapping


def of_snapshots(connection: Transaction, mappings: Sequence[ImageMapping]) -> Consistency:
    """The disks are of one instant if there is only one snapshot, or if all were made for one image whose disks are."""
    snapshot_ids = {mapping.snapshot_id for mapping in mappings if mapping.snapshot_id}
    if len(snapshot_ids) == 1:
        return Consistency(one_instant=True)
    made_for = {each.image_id for each in (snapshots.get(connection, id_) for id_ in snapshot_ids) if each}
    image_id = made_for.pop() if len(made_for) == 1 else None
    image = images.get(connection, image_id) if image_id else None
    if image is None:
        return Consistency(one_instant=None if image_id else False)
    return image.consistency or Consistency()
