"""souche import"""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Annotated, Final

import typer

from souche.app import image_imports, official_images
from souche.app.image_imports import FromManifest
from souche.app.images import ImageSettings
from souche.cli import which_account
from souche.cli.composition import Administered, Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import show, told
from souche.cli.progress import Tell, transfer_bar
from souche.errors import SystemFailure
from souche.model.accounts import Principal
from souche.model.disk_imports import SourceFormat
from souche.model.images import Image
from souche.states import ImageState

POLL_SECONDS: Final = 0.25


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
                _wait(administered, image, tell)
            image = official_images.get(region, image)
            if image.state != ImageState.AVAILABLE:
                raise ImportFailed(image_id=image.image_id, reason=image.state_message or image.state)
        show({"ImageId": image.image_id, "ImageName": image.name}, as_json=json)

    return import_image


def _wait(administered: Administered, image: Image, tell: Tell) -> None:
    """Until the image is settled, by the server's doing or by this process's."""
    ended: Future[None] = Future()
    Thread(target=_finish, args=(administered, image, ended), daemon=True).start()
    while not ended.done():
        received, total = image_imports.progress(administered.region, image)
        if total != 0:  # they are all there
            tell("taking the disks in" if received == total else "downloading", received, total)
        _pause(ended)
    ended.result()


def _pause(ended: Future[None]) -> None:
    try:
        ended.exception(POLL_SECONDS)
    except TimeoutError:
        return


def _finish(administered: Administered, image: Image, ended: Future[None]) -> None:
    try:
        administered.finish(image_imports.operation_id(image))
    except BaseException as error:
        ended.set_exception(error)
    else:
        ended.set_result(None)
