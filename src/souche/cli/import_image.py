"""souche import"""

from collections.abc import Callable
from typing import Annotated

import typer

from souche.admin.listener import Listener
from souche.cli import which_account
from souche.cli.actions import images
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, show
from souche.cli.progress import transfer_bar
from souche.model.disk_imports import SourceFormat


def build(composition: Composition) -> Callable[..., None]:
    """The command that imports an image."""

    def import_image(
        manifest_url: Annotated[str, typer.Argument(help="URL of an export's manifest.")],
        home: HomeFlag,
        name: Annotated[
            str | None, typer.Option(help="Name of the image. Default: the name in the manifest.")
        ] = None,
        account: which_account.AccountFlag = None,
        disk_format: Annotated[
            SourceFormat | None,
            typer.Option(
                "--format", help="Format of the disks. Default: that of their names in the manifest."
            ),
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Import an image that another region has exported, or that a manifest by hand describes. Progress goes to
        standard error. Where a server runs the region, to stop waiting does not stop the import."""
        with errors_shown(), composition.operate(home) as region, transfer_bar() as on_progress:
            made = region.heard_by(Listener(transfer=on_progress)).do(
                images.import_image, manifest_url, account=account, name=name, disk_format=disk_format
            )
        show(made, as_json=json)

    return import_image
