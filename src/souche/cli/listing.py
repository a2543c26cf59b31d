"""souche vm|volume|snapshot|bucket list, and souche image list --all"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from souche.admin.action import Facts
from souche.cli import vm_console
from souche.cli.actions import inventory
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, in_a_table, show

WIDE: Final = 10_000
"""columns if the output is not a terminal: nothing is truncated for programs"""

OfAccountFlag = Annotated[
    str | None, typer.Option("--account", help="Only this account's resources: its name or ID.")
]


def build_vm(composition: Composition) -> typer.Typer:
    """The commands about VMs."""
    app = _group(composition, "vm", "VMs of the region, of all accounts.")
    vm_console.add(app, composition)
    return app


def build_volume(composition: Composition) -> typer.Typer:
    """The commands about volumes."""
    return _group(composition, "volume", "Volumes of the region, of all accounts.")


def _group(composition: Composition, noun: str, what: str) -> typer.Typer:
    app = typer.Typer(help=what, no_args_is_help=True)
    app.callback()(lambda: None)
    add_list(app, composition, noun)
    return app


def add_list(app: typer.Typer, composition: Composition, noun: str) -> None:
    """Add `list` to the commands about a noun."""

    def list_all(home: HomeFlag, account: OfAccountFlag = None, json: JsonFlag = False) -> None:
        with errors_shown(), composition.operate(home) as region:
            found = region.do(inventory.listed, noun, account)
        show_listed(found, as_json=json)

    list_all.__doc__ = f"List the {noun.upper() if noun == 'vm' else noun}s of all accounts, or of one."
    app.command("list")(list_all)


def show_listed(rows: Sequence[Facts], *, as_json: bool) -> None:
    """Print resources: a table, or a JSON object a line."""
    if as_json:
        for row in rows:
            show(row, as_json=True)
    elif rows:
        print_table(rows)


def print_table(rows: Sequence[Mapping[str, object]]) -> None:
    """Print facts as a table; all rows have the same."""
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="fold", justify="left")
    for row in rows:
        table.add_row(*(Text(in_a_table(value)) for value in row.values()))
    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(table)
