"""The size of an image on the medium, for the operator."""

from collections.abc import Sequence
from dataclasses import dataclass

from souche.app.context.region import Region
from souche.db import images
from souche.refusals import NoSuchImage
from souche.storage.base import VolumeStore
from souche.transfer import reader


@dataclass(frozen=True)
class ImageSizes:
    """In bytes. `own` and `shared`: the space of its snapshots alone, and shared with other disks. `freed`: the space
    that the deletion of the image and its otherwise unused snapshots would free. `export`: the data of its disks,
    before compression."""

    own_bytes: int
    shared_bytes: int
    freed_bytes: int
    export_bytes: int


def of_image(region: Region, disks: VolumeStore, image_id: str) -> ImageSizes:
    """The space of an image. Unfinished snapshots count as empty.

    Raises:
        NoSuchImage, StorageFailed.
    """
    with region.store.read() as connection:
        image = images.get(connection, image_id)
        if image is None:
            raise NoSuchImage(image_id=image_id)
        shared = images.having_others(connection, image)
    unmade = disks.absent("snapshot", image.snapshot_ids)
    snapshot_ids = [each for each in dict.fromkeys(image.snapshot_ids) if each not in unmade]
    taken = disks.usage(snapshot_ids)
    freed = disks.usage([each for each in snapshot_ids if each not in shared])
    return ImageSizes(
        own_bytes=taken.own_bytes,
        shared_bytes=taken.shared_bytes,
        freed_bytes=freed.own_bytes,
        export_bytes=_data_bytes(disks, snapshot_ids),
    )


def _data_bytes(disks: VolumeStore, snapshot_ids: Sequence[str]) -> int:
    total = 0
    for snapshot_id in snapshot_ids:
        with disks.read_snapshot(snapshot_id) as uri, reader.connect(uri) as disk:
            total += disk.allocation().data_bytes
    return total
