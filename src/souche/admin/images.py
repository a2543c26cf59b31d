"""Images of accounts: imports, copies, clean ones, and how they boot."""

import base64
from functools import partial

from souche.admin import which_account
from souche.admin.action import Administered, Facts, action
from souche.admin.waiting import follow
from souche.api.protocol import dates
from souche.app import image_boots, image_copies, image_imports, official_images
from souche.app.image_imports import FromManifest
from souche.app.images import ImageSettings
from souche.errors import SystemFailure
from souche.model.disk_imports import SourceFormat
from souche.model.image_boots import Verification
from souche.model.images import BootMode, Image
from souche.states import ImageState


class ImageFailed(SystemFailure):
    """The image {image_id} failed: {reason}"""


@action
def import_image(
    at: Administered,
    manifest_url: str,
    *,
    account: str | None,
    name: str | None,
    disk_format: SourceFormat | None,
) -> Facts:
    """Import an image that another region has exported. Returns when the image is available."""
    wanted = FromManifest(ImageSettings(name), manifest_url, disk_format)
    image = image_imports.create(at.region, which_account.who(at.region, account), wanted)
    follow(at, image_imports.operation_id(image), partial(_tell_import, at, image))
    return made(at, image)


def _tell_import(at: Administered, image: Image) -> None:
    received, total = image_imports.progress(at.region, image)
    if total != 0:  # 0: nothing is left to download
        at.listener.transfer("importing the disks" if received == total else "downloading", received, total)


@action
def adopt(at: Administered, image_id: str, *, account: str | None, name: str | None) -> Facts:
    """Copy another account's image for an account. Returns when the copy is available."""
    copy = image_copies.request_adoption(at.region, which_account.who(at.region, account), image_id, name)
    at.finish(image_copies.copy_operation_id(copy))
    return made(at, copy)


def made(at: Administered, image: Image) -> Facts:
    """An image whose operation has ended.

    Raises:
        ImageFailed.
    """
    image = official_images.get(at.region, image)
    if image.state != ImageState.AVAILABLE:
        raise ImageFailed(image_id=image.image_id, reason=image.state_message or image.state)
    return {"ImageId": image.image_id, "ImageName": image.name}


@action
def verify(at: Administered, image_id: str, boot_mode: BootMode | None) -> Facts:
    """Boot an image, and record the result."""
    return _boot(image_id, at.verify(image_id, boot_mode))


@action
def last_boot(at: Administered, image_id: str) -> Facts:
    """An image's last boot. Without one, `Verified` is false and `Date` empty."""
    return _boot(image_id, image_boots.last(at.region, image_id))


def _boot(image_id: str, found: Verification | None) -> Facts:
    """The shown facts of a boot, with its log and screenshot in base64."""
    boot = found.boot if found else None
    return {
        "ImageId": image_id,
        "Verified": boot is not None and boot.passed,
        "Date": dates.shown(found.date) if found else "",
        "BootMode": boot.boot_mode if boot else "",
        "Reached": boot.reached if boot else "",
        "Seconds": round(boot.seconds, 1) if boot else 0,
        "Reason": boot.reason if boot else "it has not been booted yet.",
        "Log": base64.b64encode(boot.log).decode() if boot else None,
        "Screenshot": base64.b64encode(boot.screenshot).decode() if boot and boot.screenshot else None,
    }
