"""souche doctor"""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from souche.cli.composition import Composition, RecordsPlace
from souche.cli.flags import DatabaseFileFlag, JsonFlag
from souche.cli.output import errors_shown, show

if TYPE_CHECKING:
    from souche.doctor.findings import Result


class Compute(StrEnum):
    """The settings of `--compute`."""

    LIBVIRT = "libvirt"
    SIMULATED = "simulated"


HomeFlag = Annotated[
    Path | None,
    typer.Option("--home", envvar="SOUCHE_HOME", help="Folder of a region to check too."),
]
ComputeFlag = Annotated[
    Compute,
    typer.Option(
        help="The planned kind of guests. simulated: check only the requirements of a region without real guests."
    ),
]
DatabaseFlag = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="SOUCHE_DATABASE",
        help="URL of a PostgreSQL database to check too, without a password. Default: that of the home.",
    ),
]


def build(composition: Composition) -> Callable[..., None]:
    """The command that checks the machine."""

    def doctor(
        home: HomeFlag = None,
        compute: ComputeFlag = Compute.LIBVIRT,
        database: DatabaseFlag = "",
        database_file: DatabaseFileFlag = "",
        json: JsonFlag = False,
    ) -> None:
        """Check whether this machine has what Souche needs, and name remedies. Status 1 if anything is missing."""
        named = RecordsPlace(database, database_file)
        _doctor(home, compute, partial(composition.look_at_database, home, named), json=json)

    return doctor


def _doctor(
    home: Path | None, compute: Compute, look_at_database: Callable[[], str | None], *, json: bool
) -> None:
    from souche import logs
    from souche.doctor import checks  # it imports all that it checks; help does not
    from souche.doctor.findings import State

    logs.configure("warning")
    with errors_shown():
        results = checks.run_checks(home, compute, look_at_database)
    if json:
        for result in results:
            show({"Name": result.name, "State": result.state, "Detail": result.detail}, as_json=True)
    else:
        Console().print(_table(results))
    if any(result.state == State.MISSING for result in results):
        raise typer.Exit(1)


def _table(results: "list[Result]") -> Table:
    from souche.doctor.findings import State

    table = Table("", "what", "found", "how to fix it", box=None)
    colours = {State.OK: "green", State.WARNING: "yellow", State.MISSING: "red"}
    for result in results:
        colour = colours[result.state]
        table.add_row(f"[{colour}]{result.state}[/]", result.name, result.detail, result.remedy)
    return table
