"""Images that the operator makes from disk files on this machine: the provider's official ones.

An official image belongs to the provider's account, whose alias "Outscale" is shown beside it; it is public,
x86_64, and new in id and name at each update: `Debian-12-YYYY.MM.DD-N` (reference section 2).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from souche import ids
from souche.app import accounts, images
from souche.app.images import ImageSettings
from souche.app.region import Region, Work
from souche.db import images as image_records
from souche.db import snapshots
from souche.model.accounts import Account, Principal
from souche.model.images import ROOT_DEVICE_NAME, BootMode, Image, ImageMapping
from souche.model.permissions import Permissions
from souche.model.snapshots import Snapshot
from souche.states import ImageState, SnapshotState

PROVIDER_NAME = "outscale"
PROVIDER_ALIAS = "Outscale"
GIB = 1024**3


@dataclass(frozen=True)
class DiskImage:
    """A disk file in the region's home, and what is made of it. The file is removed once it has been taken in."""

    path: Path
    format: Literal["qcow2", "raw"]
    size_gib: int
    family: str
    description: str
    boot_modes: tuple[BootMode, ...]


def provider(region: Region) -> Account:
    """The provider's account; it is made when there is none."""
    found = accounts.named(region, PROVIDER_NAME)
    if found:
        return found
    account, _key, _secret = accounts.create(region, PROVIDER_NAME, PROVIDER_ALIAS)
    return account


def publish(region: Region, disk: DiskImage) -> Image:
    """Promise an official image. It is `pending` until the disk has been taken in."""
    account = provider(region)
    who = Principal(account.account_id)
    with region.begin() as work:
        image = _record(region, who, account, disk, _next_name(region, work, who, disk.family))
        images.write(work, image)
        snapshots.insert(work.connection, _snapshot(image))
        work.promised.append(
            images.promise(
                "import_image",
                image,
                {
                    "path": str(disk.path),
                    "format": disk.format,
                    "size_bytes": image.root_mapping.volume_size_gib * GIB,
                },
            )
        )
    return image


def _next_name(region: Region, work: Work, who: Principal, family: str) -> str:
    day = region.clock.now().strftime("%Y.%m.%d")
    number = 0
    while image_records.named(work.connection, who.account_id, f"{family}-{day}-{number}"):
        number += 1
    return f"{family}-{day}-{number}"


def _record(region: Region, who: Principal, account: Account, disk: DiskImage, name: str) -> Image:
    settings = ImageSettings(name, disk.description, disk.boot_modes)
    return replace(
        images.new_image(region, who, settings, name),
        state=ImageState.PENDING,
        mappings=(ImageMapping(ROOT_DEVICE_NAME, region.ids.new(ids.SNAPSHOT), disk.size_gib),),
        file_location=f"{account.alias}/{name}",
        permissions=Permissions(public=True),
    )


def _snapshot(image: Image) -> Snapshot:
    root = image.root_mapping
    return Snapshot(
        snapshot_id=root.snapshot_id or "",
        account_id=image.account_id,
        volume_id=None,
        volume_size_gib=root.volume_size_gib,
        state=SnapshotState.PENDING,
        progress_percent=0,
        description=f"The disk of {image.name}",
        creation_date=image.creation_date,
        image_id=image.image_id,
    )


def operation_id(image: Image) -> str:
    """The id of the workflow that takes a published image's disk in."""
    return f"import_image:{image.image_id}"


def get(region: Region, image: Image) -> Image:
    """The image as it is now."""
    with region.store.read() as connection:
        return image_records.get(connection, image.image_id) or image
