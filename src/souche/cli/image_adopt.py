"""souche image adopt"""

from typing import Annotated

import typer

from souche.cli import which_account
from souche.cli.actions import images
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, show


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
        with errors_shown(), composition.operate(home) as region:
            made = region.do(images.adopt, image, account=account, name=name)
        show(made, as_json=json)
