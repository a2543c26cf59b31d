"""The attributes that an image gives to its VMs. Its owner sets them, also for an image that was not made from a VM."""

from dataclasses import dataclass, replace

from souche.app import images
from souche.app.context import lookup
from souche.app.context.region import Region
from souche.db import images as records
from souche.model.accounts import Principal
from souche.model.images import Image, VmAttributes
from souche.refusals import NoSuchImage
from souche.value_refusals import BadValue, IncompatibleParameters, MissingParameter
from souche.words import Term


@dataclass(frozen=True)
class Change:
    """Sets the fields of `given` (None: leave). Fields named in `unset` (fields of VmAttributes) are cleared."""

    image_id: str
    given: VmAttributes
    unset: frozenset[str] = frozenset()


def update(region: Region, who: Principal, change: Change) -> Image:
    """Change the attributes of an image of the caller's. Existing VMs keep theirs.

    Raises:
        NoSuchImage: there is none, or it is another account's, as in UpdateImage.
        PublishedVersion: it is on the Marketplace.
        MissingParameter: there is no change.
        IncompatibleParameters: an attribute is both set and unset.
        BadValue: the image does not boot in this mode.
    """
    given = {field: value for field, value in vars(change.given).items() if value is not None}
    if not given and not change.unset:
        raise MissingParameter(parameter=Term.DELETION_PROTECTION)
    if given.keys() & change.unset:
        raise IncompatibleParameters(reason="an attribute cannot be set and unset at the same time")
    with region.begin() as work:
        image = lookup.own_image(work.connection, who, change.image_id)
        images.check_unpublished(work, image, "its attributes are frozen")
        _check_boot_mode(image, change.given)
        carried = replace(image.vm_attributes or VmAttributes(), **given, **dict.fromkeys(change.unset))
        attributes = None if carried == VmAttributes() else carried
        records.set_vm_attributes(work.connection, image.image_id, attributes)
    return replace(image, vm_attributes=attributes)


def _check_boot_mode(image: Image, given: VmAttributes) -> None:
    if given.boot_mode is not None and given.boot_mode not in image.boot_modes:
        raise BadValue(
            parameter=Term.BOOT_MODE,
            reason=f"the image {image.image_id} boots by {', '.join(image.boot_modes)}",
        )


def for_owner(region: Region, change: Change) -> Image:
    """As `update`, on behalf of the image's account, for the operator. Without a change it only reads.

    Raises:
        NoSuchImage, and those of `update`.
    """
    with region.store.read() as connection:
        image = records.get(connection, change.image_id)
    if image is None:
        raise NoSuchImage(image_id=change.image_id)
    if change.given == VmAttributes() and not change.unset:
        return image
    return update(region, Principal(image.account_id), change)
