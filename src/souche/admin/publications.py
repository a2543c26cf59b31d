"""Images that the operator publishes from disk files. The command makes the file in the region's staging folder; from
there on it is the region's."""

from dataclasses import replace
from pathlib import Path
from typing import cast

from souche import staged
from souche.admin import images
from souche.admin.action import Administered, Facts, action
from souche.app import accounts, image_builds, official_images
from souche.app.official_images import DiskImage
from souche.db import images as image_records
from souche.errors import Invalid
from souche.model.disk_imports import SaidOfDisk, SourceFormat
from souche.model.image_builds import Build
from souche.model.images import Architecture
from souche.refusals import NoSuchImage
from souche.transfer import gate


class NotStaged(Invalid):
    """The disk {path} is not in the staging folder of the region."""


@action
def check(
    at: Administered,
    *,
    account: str | None,
    alias: str,
    family: str,
    architecture: str,
    description: str,
    grace_days: int,
    accepted: list[str],
    product_codes: list[str],
) -> str:
    """Refuse mistakes that would otherwise be found only once the disk exists. Returns the id of the account to publish
    for, given by its name or id, or by an alias."""
    publisher = official_images.publisher(at.region, account, alias)
    official_images.check_terms(
        publisher,
        family,
        cast("Architecture", architecture),
        grace_days=grace_days,
        accepted=accepted,
        description=description,
    )
    official_images.check_product_codes(at.region, publisher, product_codes)
    return publisher.account_id


@action
def listed(at: Administered, family: str, *, account: str | None, alias: str) -> Facts | None:
    """The newest image of a family that an account lists or is importing (`pending`); None if there is none."""
    publisher = official_images.publisher(at.region, account, alias)
    image = official_images.newest(at.region, publisher, family)
    return None if image is None else {"ImageId": image.image_id, "State": image.state.value}


@action
def boots(at: Administered) -> bool:
    """Whether images are booted before they become public."""
    return at.boots()


@action
def publish(at: Administered, disk: Facts, terms: Facts, build: Facts | None) -> str:
    """Request a public image of a disk file, which is the region's from here on. Gives the id of the image, which is
    pending.

    Args:
        disk: `path` below the staging folder, `format`, and the `most_bytes` that a guest may see.
        terms: `account_id` of the publisher, and fields of DiskImage.
        build: the fields of Build, of a disk that was built.
    """
    file = Path(disk["path"])
    if file.resolve().parent.parent != at.staging.resolve():
        raise NotStaged(path=file)
    said = SaidOfDisk(cast("SourceFormat", disk["format"]), gzip=False)
    admitted = gate.Admission(said, disk["most_bytes"], at.region.room).admit(file, file.stat().st_size)
    publisher = accounts.known(at.region, terms["account_id"])
    with staged.handed_on(admitted.path) as beside:
        wanted = DiskImage(
            disk=replace(admitted, path=beside),
            family=terms["family"],
            description=terms["description"],
            boot_modes=tuple(terms["boot_modes"]),
            architecture=terms["architecture"],
            product_codes=tuple(terms["product_codes"]),
            grace_days=terms["grace_days"],
            accepted=tuple(terms["accepted"]),
            verify=terms["verify"],
            build=Build(build["recipe"], build["digest"], build["packages"]) if build else None,
        )
        return official_images.publish(at.region, wanted, publisher).image_id


@action
def finish(at: Administered, image_id: str) -> Facts:
    """Wait until a requested image is available."""
    with at.region.store.read() as connection:
        image = image_records.get(connection, image_id)
    if image is None:
        raise NoSuchImage(image_id=image_id)
    at.finish(official_images.operation_id(image))
    return images.made(at, image)


@action
def built(at: Administered) -> list[Facts]:
    """The listed image of each recipe and account, and how it was built."""
    return [
        {
            "ImageId": each.image.image_id,
            "ImageName": each.image.name,
            "AccountId": each.image.account_id,
            "Recipe": each.build.recipe,
            "Digest": each.build.digest,
            "Packages": dict(each.build.packages),
            "Deprecated": each.is_deprecated,
        }
        for each in image_builds.live(at.region)
    ]
