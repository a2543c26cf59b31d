"""The origins of images, and their attributes for VMs."""

from souche.admin.action import Administered, Facts, action
from souche.api import image_origins as origin_views
from souche.api import vm_attributes as attribute_views
from souche.app import image_attributes, image_origins
from souche.app.image_attributes import Change
from souche.model.images import VmAttributes


@action
def of_image(at: Administered, image_id: str) -> Facts:
    """Where an image of any owner comes from."""
    return origin_views.view(image_origins.of_image(at.region, image_id))


@action
def set_attributes(at: Administered, image_id: str, given: Facts, unset: list[str]) -> Facts:
    """Set the attributes of an image for its VMs, by the fields of VmAttributes, on behalf of its owner. Returns all of
    them."""
    change = Change(image_id, VmAttributes(**given), frozenset(unset))
    changed = image_attributes.for_owner(at.region, change)
    return {"ImageId": changed.image_id, **attribute_views.view(changed.vm_attributes)}
