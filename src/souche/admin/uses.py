"""The dependants of images and snapshots, as their owners see them."""

from souche.admin.action import Administered, Facts, action
from souche.api import uses as views
from souche.app import uses


@action
def of_image(at: Administered, image_id: str) -> Facts:
    """The dependants of an image of any owner."""
    return views.view(uses.of_image_as_owner(at.region, image_id), "ImageId")


@action
def of_snapshot(at: Administered, snapshot_id: str) -> Facts:
    """The dependants of a snapshot of any owner."""
    return views.view(uses.of_snapshot_as_owner(at.region, snapshot_id), "SnapshotId")
