"""souche doctor"""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from souche.cli.composition import Composition
from souche.cli.flags import JsonFlag
from souche.cli.output import show

if TYPE_CHECKING:
    from souche.doctor import Result


class Compute(StrEnum):
    """The settings of `--compute`."""

    LIBVIRT = "libvirt"
    SIMULATED = "simulated"


def build(composition: Composition) -> Callable[..., None]:
    """The command that checks the machine."""
    return doctor


def doctor(
    home: Annotated[
        Path | None,
        typer.Option("--home", envvar="SOUCHE_HOME", help="Folder of a region to check too."),
    ] = None,
    compute: Annotated[
        Compute,
        typer.Option(
            help="The planned kind of guests. simulated: check only the requirements of a region without real "
            "guests."
        ),
    ] = Compute.LIBVIRT,
    json: JsonFlag = False,
) -> None:
    """Check whether this machine has what Souche needs, and name remedies. Status 1 if anything is missing."""
    from souche import doctor as checks  # it imports all that it checks; help does not
    from souche import logs

    logs.configure("warning")
    results = checks.run_checks(home, compute)
    if json:
        for result in results:
            show({"Name": result.name, "State": result.state, "Detail": result.detail}, as_json=True)
    else:
        Console().print(_table(results))
    if any(result.state == checks.State.MISSING for result in results):
        raise typer.Exit(1)


def _table(results: "list[Result]") -> Table:
    from souche.doctor import State

    table = Table("", "what", "found", "how to fix it", box=None)
    colours = {State.OK: "green", State.WARNING: "yellow", State.MISSING: "red"}
    for result in results:
        colour = colours[result.state]
        table.add_row(f"[{colour}]{result.state}[/]", result.name, result.detail, result.remedy)
    return table
