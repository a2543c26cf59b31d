"""souche alias"""

import json as codec
from typing import Annotated

import typer

from souche.admin.action import Facts
from souche.cli.actions import image_aliases
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME@CHANNEL", help="The alias, such as web@stable; case-insensitive.")
]
AccountFlag = Annotated[
    str | None, typer.Option("--account", help="Name or ID of its account, if several have one of that name.")
]


def build(composition: Composition) -> typer.Typer:
    """The commands about aliases of images."""
    app = typer.Typer(
        help="Stable names for changing images: NAME@CHANNEL (docs/aliases.md).", no_args_is_help=True
    )
    _add_set(app, composition)
    _add_list(app, composition)
    _add_show(app, composition)
    _add_history(app, composition)
    _add_rollback(app, composition)
    _add_delete(app, composition)
    return app


def _add_set(app: typer.Typer, composition: Composition) -> None:
    @app.command("set")
    def set_alias(
        name: NameArgument,
        image: Annotated[str, typer.Argument(help="ID of the image.")],
        home: HomeFlag,
        account: Annotated[
            str | None,
            typer.Option(help="Name or ID of the alias's account. Default: the image's owner."),
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Set an alias to an image. Creates a missing alias."""
        with errors_shown(), composition.operate(home) as region:
            made = region.do(image_aliases.assign, name, image, account)
        _print(made, as_json=json)


def _add_list(app: typer.Typer, composition: Composition) -> None:
    @app.command("list")
    def list_aliases(home: HomeFlag, account: AccountFlag = None, json: JsonFlag = False) -> None:
        """List all aliases: those that were set, and NAME@latest of each family of `souche image publish` and `build`.
        An alias is dangling if its image is withdrawn or deleted: it then resolves to nothing."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(image_aliases.every, account)
        for each in found:
            _print(each, as_json=json)


def _add_show(app: typer.Typer, composition: Composition) -> None:
    @app.command("show")
    def show_alias(
        name: NameArgument, home: HomeFlag, account: AccountFlag = None, json: JsonFlag = False
    ) -> None:
        """Show the image of an alias."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(image_aliases.known, name, account)
        _print(found, as_json=json)


def _add_history(app: typer.Typer, composition: Composition) -> None:
    @app.command("history")
    def history(
        name: NameArgument, home: HomeFlag, account: AccountFlag = None, json: JsonFlag = False
    ) -> None:
        """Show the images that an alias has named, with dates, oldest first."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(image_aliases.known, name, account)
        for facts in found["History"]:
            print(codec.dumps(facts) if json else f"{facts['Date']}  {facts['ImageId']}")


def _add_rollback(app: typer.Typer, composition: Composition) -> None:
    @app.command("rollback")
    def rollback(
        name: NameArgument, home: HomeFlag, account: AccountFlag = None, json: JsonFlag = False
    ) -> None:
        """Set an alias to the image that it named before. Repeat it to go back further."""
        with errors_shown(), composition.operate(home) as region:
            changed = region.do(image_aliases.roll_back, name, account)
        _print(changed, as_json=json)


def _add_delete(app: typer.Typer, composition: Composition) -> None:
    @app.command("delete")
    def delete(
        name: NameArgument, home: HomeFlag, account: AccountFlag = None, json: JsonFlag = False
    ) -> None:
        """Delete an alias with its history. The image stays."""
        with errors_shown(), composition.operate(home) as region:
            deleted = region.do(image_aliases.delete, name, account)
        if json:
            _print(deleted, as_json=True)


def _print(facts: Facts, *, as_json: bool) -> None:
    if as_json:
        print(codec.dumps(facts))
        return
    print(f"{facts['AliasName']}  {facts['ImageId'] or '-'}  {facts['State']}  since {facts['Date']}")
