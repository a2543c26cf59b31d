"""souche image adopt"""

from typing import Annotated

import typer

from souche.app import image_copies, official_images
from souche.cli import which_account
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import show, told
from souche.errors import SystemFailure
from souche.model.accounts import Principal
from souche.states import ImageState


class NotAdopted(SystemFailure):
    """The image {image_id} failed: {reason}"""


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the command."""

    @app.command("adopt")
    def adopt(
        image: Annotated[str, typer.Argument(help="ID of an image that the account may use.")],
        home: HomeFlag,
        account: which_account.AccountFlag = None,
        name: Annotated[
            str | None, typer.Option(help="Name of the copy. Default: that of the image.")
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Make an image of another account's an account's own: a copy that stays when the image is withdrawn, unshared
        or deleted. The account must be able to use the image still."""
        with told(), composition.administer(home) as administered:
            region = administered.region
            who = Principal(which_account.chosen(region, account).account_id)
            made = image_copies.request_adoption(region, who, image, name)
            administered.finish(image_copies.copy_operation_id(made))
            made = official_images.get(region, made)
            if made.state != ImageState.AVAILABLE:
                raise NotAdopted(image_id=made.image_id, reason=made.state_message or made.state)
        show({"ImageId": made.image_id, "ImageName": made.name}, as_json=json)
