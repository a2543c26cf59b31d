"""souche up, souche down"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from souche.cli.composition import Composition
from souche.cli.flags import JsonFlag
from souche.cli.output import errors_shown, show, show_if_json

FileArgument = Annotated[
    Path,
    typer.Argument(help="TOML file of the region (docs/developing-against.md).", dir_okay=False),
]
TimeoutFlag = Annotated[
    float, typer.Option(min=0, help="The maximum wait in seconds until the server answers, or has ended.")
]


def build_up(composition: Composition) -> Callable[..., None]:
    """The command that runs a region from a file."""

    def up(
        file: FileArgument,
        command: Annotated[
            list[str] | None,
            typer.Argument(
                help="After --: a command to run with the variables of `souche env`.", show_default=False
            ),
        ] = None,
        account: Annotated[
            str | None,
            typer.Option(help="Account for COMMAND. Default: the first in FILE.", show_default=False),
        ] = None,
        timeout: TimeoutFlag = 60,
        json: JsonFlag = False,
    ) -> None:
        """Run the region of a file, with its accounts and images; then run a command for it. Existing resources do not
        change, so a second `up` changes nothing. With COMMAND, a server started by `up` ends after it, and the status
        is COMMAND's. Without COMMAND it runs in the background until `souche down FILE`."""
        from souche.cli import region_of_file

        with errors_shown(), composition.ended_in_order():
            found = region_of_file.up(composition, file, command or [], account, timeout)
        if isinstance(found, region_of_file.Ended):
            raise typer.Exit(found.status)
        show(found, as_json=json)

    return up


def build_down(composition: Composition) -> Callable[..., None]:
    """The command that ends a region's server."""

    def down(file: FileArgument, timeout: TimeoutFlag = 60, json: JsonFlag = False) -> None:
        """End the server of a file's region. The region's contents stay in its folder, unless it is ephemeral. If no
        server runs, it does nothing, and Ended of --json is false."""
        from souche.cli import region_of_file

        with errors_shown():
            found = region_of_file.down(file, timeout)
        show_if_json(found, as_json=json)

    return down
