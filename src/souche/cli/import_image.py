"""souche import"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from souche.app import image_imports, official_images
from souche.app.image_imports import FromManifest
from souche.app.images import ImageSettings
from souche.app.region import Region
from souche.cli import which_account
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import show, told
from souche.cli.progress import Tell, transfer_bar
from souche.cli.waiting import follow
from souche.errors import SystemFailure
from souche.model.accounts import Principal
from souche.model.disk_imports import SourceFormat
from souche.model.images import Image
from souche.states import ImageState


class ImportFailed(SystemFailure):
    """The image {image_id} failed: {reason}"""


def build(composition: Composition) -> Callable[..., None]:
    """The command that imports an image."""

    def import_image(
        manifest_url: Annotated[str, typer.Argument(help="URL of a manifest, as an export gives it.")],
        home: HomeFlag,
        name: Annotated[
            str | None, typer.Option(help="Name of the image. Default: that in the manifest.")
        ] = None,
        account: which_account.AccountFlag = None,
        disk_format: Annotated[
            SourceFormat | None,
            typer.Option("--format", help="Of the disks. Default: what their names in the manifest say."),
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Import an image that another region has exported, or that a manifest by hand describes. Progress goes to
        standard error. Where a server runs the region, to stop waiting does not stop the import."""
        with told(), composition.administer(home) as administered:
            region = administered.region
            who = Principal(which_account.chosen(region, account).account_id)
            wanted = FromManifest(ImageSettings(name), manifest_url, disk_format)
            image = image_imports.create(region, who, wanted)
            with transfer_bar() as tell:
                follow(administered, image_imports.operation_id(image), partial(_tell, region, image, tell))
            image = official_images.get(region, image)
            if image.state != ImageState.AVAILABLE:
                raise ImportFailed(image_id=image.image_id, reason=image.state_message or image.state)
        show({"ImageId": image.image_id, "ImageName": image.name}, as_json=json)

    return import_image


def _tell(region: Region, image: Image, tell: Tell) -> None:
    received, total = image_imports.progress(region, image)
    if total != 0:  # they are all there
        tell("taking the disks in" if received == total else "downloading", received, total)
