"""Clean images: copies without what their author has left (docs/trust.md, "Clean images")."""

from dataclasses import dataclass
from typing import Final

from souche.app import image_copies, images
from souche.app.context import lookup
from souche.app.context.region import Region
from souche.app.images import ImageSettings
from souche.db import image_cleanings as records
from souche.db import image_reports, snapshots
from souche.db.transactions import Transaction
from souche.model.accounts import Principal
from souche.model.image_cleanings import Cleaning
from souche.model.image_reports import Report
from souche.model.images import Image
from souche.operations.images import clean_image
from souche.refusals import CannotClean

WORKING_BYTES: Final = 256 * 1024**2
"""most that cleaning writes: it empties and removes files, and replays the journals of file systems"""
WINDOWS: Final = "windows-"


@dataclass(frozen=True)
class Clean:
    """A clean image of one that the caller may use."""

    image_id: str
    settings: ImageSettings


def create(region: Region, who: Principal, command: Clean) -> Image:
    """Request a clean image, owned by the caller. It is `pending` until its disks are cleaned, which takes minutes.

    Raises:
        NoSuchImage, CannotClean, OutOfSpace, and those of `image_copies.request_copy`.
    """
    with region.begin() as work:
        source = lookup.usable_image(work.connection, who, command.image_id)
        images.check_available(source)
        _check_cleanable(work.connection, source)
        region.room.ask(WORKING_BYTES)
        return image_copies.request_copy(region, work, who, source, command.settings, clean_image)


def _check_cleanable(connection: Transaction, source: Image) -> None:
    """Refuse an image whose report shows no Linux. Without a report, the workflow checks it."""
    if not source.snapshot_ids:
        raise CannotClean(reason="it has no disk with content")
    report = image_reports.get(connection, source.image_id)
    if report is None or not report.is_complete:
        return
    if _is_windows(report):
        raise CannotClean(
            reason="its system is Windows: run sysprep in a VM of it, then make the image of that VM"
        )
    if not report.os:
        raise CannotClean(reason="its report shows no readable Linux system")


def _is_windows(report: Report) -> bool:
    return report.os.startswith("Windows") or any(each.code.startswith(WINDOWS) for each in report.findings)


def operation_id(image: Image) -> str:
    """The id of the workflow that makes a clean image."""
    return clean_image(image).operation_id


def of_image(region: Region, image_id: str) -> Cleaning | None:
    """The removed data, for the operator; None if the image is not a clean image, or not finished."""
    with region.store.read() as connection:
        return records.of_images(connection, [image_id]).get(image_id)


def progress_percent(region: Region, image: Image) -> int:
    """The progress of a clean image."""
    with region.store.read() as connection:
        made = snapshots.of_image_creation(connection, image.image_id)
    return min((each.progress_percent for each in made), default=0)
