"""souche image clean"""

import json
from typing import Annotated, Final

import typer

from souche.api import image_cleanings as views
from souche.api import image_reports as report_views
from souche.app import image_cleanings, image_reports, official_images
from souche.app.image_cleanings import Clean
from souche.app.images import ImageSettings
from souche.cli import which_account
from souche.cli.composition import Administered, Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.image_check import print_report
from souche.cli.output import plain, show, told
from souche.cli.progress import step_bar
from souche.cli.waiting import follow
from souche.cli.which_account import AccountFlag
from souche.errors import SystemFailure
from souche.model.accounts import Principal
from souche.model.image_cleanings import Cleaning
from souche.model.image_reports import Report
from souche.model.images import Image
from souche.states import ImageState

CLEANED_SHARE: Final = 0.9
"""The rest is for the report."""


class CleaningFailed(SystemFailure):
    """The image {image_id} failed: {reason}"""


class NotClean(SystemFailure):
    """The image {image_id} still has findings of severity high ({codes}): what its report says about each has to be
    done by hand, in a VM."""


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the command."""

    @app.command("clean")
    def clean_image(
        image: Annotated[str, typer.Argument(help="ID of an image that the account may use.")],
        home: HomeFlag,
        name: Annotated[str, typer.Option(help="Name of the clean image.")],
        account: AccountFlag = None,
        json: JsonFlag = False,
        wait: Annotated[bool, typer.Option("--wait", help="Wait until the server has made it.")] = False,
    ) -> None:
        """Make a clean image of another: without its author's keys and passwords, host keys, histories, machine-id,
        cloud-init data and logs (docs/trust.md). Linux only. Shows what was done and the report of the new image; the
        status is 1 where a finding is still of severity high. It takes minutes; progress goes to standard error."""
        with told(), composition.administer(home) as administered:
            region = administered.region
            who = Principal(which_account.chosen(region, account).account_id)
            made = image_cleanings.create(region, who, Clean(image, ImageSettings(name)))
            if administered.is_served() and not wait:
                show({"ImageId": made.image_id, "ImageName": made.name, "State": "pending"}, as_json=json)
                return
            cleaning, report = _finished(administered, made)
        _print(made, cleaning, report, as_json=json)
        if report.high:
            with told():
                raise NotClean(image_id=made.image_id, codes=", ".join(report.high))


def _finished(administered: Administered, made: Image) -> tuple[Cleaning, Report]:
    """Wait for the image, by the server's doing or by this process's, and for its report."""
    region = administered.region
    with step_bar() as tell:

        def look() -> None:
            percent = image_cleanings.progress_percent(region, made)
            tell("cleaning" if percent else "waiting for its turn", CLEANED_SHARE * percent / 100)

        follow(administered, image_cleanings.operation_id(made), look)
        image = official_images.get(region, made)
        cleaning = image_cleanings.of_image(region, image.image_id)
        if image.state != ImageState.AVAILABLE or cleaning is None:
            raise CleaningFailed(image_id=image.image_id, reason=image.state_message or image.state)
        tell("making the report", CLEANED_SHARE)
        administered.examine(image.image_id, True)
    report = image_reports.of_image(region, image.image_id)
    assert report is not None
    return cleaning, report


def _print(image: Image, cleaning: Cleaning, report: Report, *, as_json: bool) -> None:
    facts = {"ImageId": image.image_id, "ImageName": image.name, "State": ImageState.AVAILABLE.value}
    if as_json:
        print(json.dumps({**facts, **views.view(cleaning), "Report": report_views.view(report)}))
        return
    show(facts, as_json=False)
    for each in cleaning.done:
        print(plain(f"{each.code}  {each.path}"))
        print(f"        {plain(each.text)}")
    print_report(report)
