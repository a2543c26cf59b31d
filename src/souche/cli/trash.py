"""souche trash"""

from collections.abc import Sequence
from json import dumps
from typing import Annotated

import typer

from souche.admin.action import Facts
from souche.cli.actions import trash
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown
from souche.room import GIB

IdsArgument = Annotated[
    list[str] | None, typer.Argument(help="IDs of volumes and snapshots. Default: all of them.")
]


def build(composition: Composition) -> typer.Typer:
    """The commands about the trash."""
    app = typer.Typer(help="Disks that have lost their record.", no_args_is_help=True)
    _add_list(app, composition)
    _add_restore(app, composition)
    _add_discard(app, composition)
    _add_empty(app, composition)
    return app


def _add_list(app: typer.Typer, composition: Composition) -> None:
    @app.command("list")
    def list_trash(home: HomeFlag, json: JsonFlag = False) -> None:
        """List the disks in the trash, and the disks without a record that are not in it yet."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(trash.every)
        _show(found, "The trash is empty, and every disk has its record.", as_json=json)


def _add_restore(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def restore(
        resource: Annotated[str, typer.Argument(help="ID of a volume or snapshot.")],
        home: HomeFlag,
        account: Annotated[
            str | None, typer.Option(help="Name or ID of the account that gets it, if its record is lost.")
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Restore a disk under its ID: as a completed snapshot, or an available volume."""
        with errors_shown(), composition.operate(home) as region:
            restored = region.do(trash.restore, resource, account)
        if json:
            print(dumps(restored))
        else:
            print(f"{_line(restored)}{'completed' if restored['Kind'] == 'snapshot' else 'available'}")


def _add_discard(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def discard(home: HomeFlag, resources: IdsArgument = None, json: JsonFlag = False) -> None:
        """Move disks without a record into the trash, which keeps them for the server's --trash-hours."""
        with errors_shown(), composition.operate(home) as region:
            discarded = region.do(trash.discard, resources or [])
        _show(discarded, "Every disk has its record, or is in the trash already.", as_json=json)


def _add_empty(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def empty(home: HomeFlag, resources: IdsArgument = None, json: JsonFlag = False) -> None:
        """Delete the disks in the trash permanently, now. Disks whose record has returned are kept, and restored
        automatically."""
        with errors_shown(), composition.operate(home) as region:
            removed = region.do(trash.empty, resources or [])
        _show(removed, "There was nothing to remove in the trash.", as_json=json)


def _show(found: Sequence[Facts], nothing: str, *, as_json: bool) -> None:
    if as_json:
        print(dumps(found))
    elif not found:
        print(nothing)
    else:
        for each in found:
            print(f"{_line(each)}{each['DiscardDate'] or 'not in the trash, no record'}")


def _line(disk: Facts) -> str:
    size = "" if disk["SizeBytes"] is None else f"{disk['SizeBytes'] / GIB:g} GiB"
    return f"{disk['ResourceId']:<14}{disk['Kind']:<10}{size:<12}"
