"""Reports of images, and clean images."""

from typing import Final

from souche.admin import which_account
from souche.admin.action import Administered, Facts, action
from souche.admin.waiting import follow
from souche.api import image_cleanings as cleaning_views
from souche.api import image_reports as views
from souche.app import image_cleanings, image_reports, official_images
from souche.app.image_cleanings import Clean
from souche.app.images import ImageSettings
from souche.errors import SystemFailure
from souche.model.images import Image
from souche.states import ImageState

CLEANED_SHARE: Final = 0.9
"""The cleaning's share of the progress; the report takes the rest."""


class CleaningFailed(SystemFailure):
    """The image {image_id} failed: {reason}"""


@action
def check(at: Administered, image_id: str, *, wait: bool, again: bool) -> Facts | None:
    """The report of an image of any owner, as it is; with `wait`, when it is made. None: the image is gone."""
    image_reports.request_as_operator(at.region, image_id, again=again)
    at.examine(image_id, wait=wait)
    report = image_reports.of_image(at.region, image_id)
    cleaning = image_cleanings.of_image(at.region, image_id)
    return None if report is None else {**views.view(report, cleaning), "High": report.high}


@action
def clean(at: Administered, image_id: str, *, account: str | None, name: str, wait: bool) -> Facts:
    """Make a clean image of another. With a server and without `wait`, the image is returned `pending`."""
    who = which_account.who(at.region, account)
    made = image_cleanings.create(at.region, who, Clean(image_id, ImageSettings(name)))
    facts: Facts = {"ImageId": made.image_id, "ImageName": made.name}
    if at.is_served() and not wait:
        return {**facts, "State": ImageState.PENDING.value}
    return {**facts, "State": ImageState.AVAILABLE.value, **_finished(at, made)}


def _finished(at: Administered, made: Image) -> Facts:
    """Wait for the image, made by the server or by this process, and for its report."""
    region = at.region

    def look() -> None:
        percent = image_cleanings.progress_percent(region, made)
        at.listener.step("cleaning" if percent else "waiting for its turn", CLEANED_SHARE * percent / 100)

    follow(at, image_cleanings.operation_id(made), look)
    image = official_images.get(region, made)
    cleaning = image_cleanings.of_image(region, image.image_id)
    if image.state != ImageState.AVAILABLE or cleaning is None:
        raise CleaningFailed(image_id=image.image_id, reason=image.state_message or image.state)
    at.listener.step("making the report", CLEANED_SHARE)
    at.examine(image.image_id, wait=True)
    report = image_reports.of_image(region, image.image_id)
    assert report is not None
    return {
        **cleaning_views.view(cleaning),
        "Report": {**views.view(report), "High": report.high},
    }
