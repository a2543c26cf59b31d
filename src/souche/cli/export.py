"""souche export"""

from enum import StrEnum
from typing import Annotated, Final

import typer

from souche.admin.listener import Listener
from souche.cli import export_urls
from souche.cli.actions import exports
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.groups import DefaultGroup
from souche.cli.output import errors_shown, show
from souche.cli.progress import transfer_bar

HELP: Final = (
    "Export images, and renew the URLs of exports: `souche export --home DIR IMAGE --bucket BUCKET`."
)


class Format(StrEnum):
    """Of the disks in the bucket, as an option takes it."""

    QCOW2 = "qcow2"
    RAW = "raw"


def build(composition: Composition) -> typer.Typer:
    """The commands about exports."""
    app = typer.Typer(help=HELP, cls=DefaultGroup)
    _add_make(app, composition)
    export_urls.add(app, composition)

    @app.callback(help=HELP)
    def group() -> None:
        """Contains only commands."""

    return app


def _add_make(app: typer.Typer, composition: Composition) -> None:
    @app.command(DefaultGroup.default)
    def export(
        image: Annotated[str, typer.Argument(help="ID of the image.")],
        home: HomeFlag,
        bucket: Annotated[str, typer.Option(help="Bucket; created if it is missing.")],
        prefix: Annotated[str, typer.Option(help="Prefix of the keys in the bucket.")] = "",
        disk_format: Annotated[Format, typer.Option("--format", help="Format of the disks.")] = Format.QCOW2,
        json: JsonFlag = False,
    ) -> None:
        """Export an image into a bucket of its account, and print the URL of its manifest, which any region can import.
        Progress goes to standard error. The export continues if you stop waiting."""
        with errors_shown(), composition.operate(home) as region, transfer_bar() as on_progress:
            made = region.heard_by(Listener(transfer=on_progress)).do(
                exports.make, image, disk_format=disk_format.value, bucket=bucket, prefix=prefix
            )
        show(made, as_json=json)
