"""souche alias"""

import json as codec
from typing import Annotated

import typer

from souche.api import image_aliases as views
from souche.app import accounts, image_aliases, image_lives
from souche.app.region import Region
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import told
from souche.cli.which_account import WhichAccount
from souche.model.accounts import Principal
from souche.model.image_aliases import ImageAlias, parsed
from souche.refusals import NoSuchImageAlias

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME@CHANNEL", help="The alias, such as web@stable. Case does not count.")
]
AccountFlag = Annotated[
    str | None, typer.Option("--account", help="Name or ID of the account that has it, where several do.")
]


def build(composition: Composition) -> typer.Typer:
    """The commands about aliases of images."""
    app = typer.Typer(
        help="Names that go on when images change: NAME@CHANNEL (docs/aliases.md).", no_args_is_help=True
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
        image: Annotated[str, typer.Argument(help="ID of the image that it is to name.")],
        home: HomeFlag,
        account: Annotated[
            str | None,
            typer.Option(help="Name or ID of the account that has the alias. Default: the image's owner."),
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Have an alias name an image from now on; it is made where there is none."""
        with told(), composition.administer(home) as administered:
            region = administered.region
            made = image_aliases.assign(region, _owner(region, image, account), name, image)
        _print(made, as_json=json)


def _add_list(app: typer.Typer, composition: Composition) -> None:
    @app.command("list")
    def list_aliases(home: HomeFlag, account: AccountFlag = None, json: JsonFlag = False) -> None:
        """List all aliases: those that were set, and NAME@latest of each family that `souche image publish` and
        `build` keep. One is dangling when its image is withdrawn or deleted: it stands for nothing then."""
        with told(), composition.administer(home) as administered:
            region = administered.region
            owner = accounts.known(region, account).account_id if account is not None else None
            found = [each for each in image_aliases.every(region) if owner in (None, each.account_id)]
        for each in found:
            _print(each, as_json=json)


def _add_show(app: typer.Typer, composition: Composition) -> None:
    @app.command("show")
    def show_alias(
        name: NameArgument, home: HomeFlag, account: AccountFlag = None, json: JsonFlag = False
    ) -> None:
        """Show what an alias names."""
        with told(), composition.administer(home) as administered:
            found = _chosen(administered.region, name, account)
        _print(found, as_json=json)


def _add_history(app: typer.Typer, composition: Composition) -> None:
    @app.command("history")
    def history(
        name: NameArgument, home: HomeFlag, account: AccountFlag = None, json: JsonFlag = False
    ) -> None:
        """Show what an alias has named, and from which date on, the oldest first."""
        with told(), composition.administer(home) as administered:
            found = _chosen(administered.region, name, account)
        for each in found.history:
            facts = views.change(each)
            print(codec.dumps(facts) if json else f"{facts['Date']}  {facts['ImageId']}")


def _add_rollback(app: typer.Typer, composition: Composition) -> None:
    @app.command("rollback")
    def rollback(
        name: NameArgument, home: HomeFlag, account: AccountFlag = None, json: JsonFlag = False
    ) -> None:
        """Have an alias name the image that it named before. Done again, it goes back further."""
        with told(), composition.administer(home) as administered:
            known = _chosen(administered.region, name, account)
            changed = image_aliases.roll_back(
                administered.region, Principal(known.account_id), known.alias_id
            )
        _print(changed, as_json=json)


def _add_delete(app: typer.Typer, composition: Composition) -> None:
    @app.command("delete")
    def delete(
        name: NameArgument, home: HomeFlag, account: AccountFlag = None, json: JsonFlag = False
    ) -> None:
        """Delete an alias with its history. The image stays."""
        with told(), composition.administer(home) as administered:
            known = _chosen(administered.region, name, account)
            image_aliases.delete(administered.region, Principal(known.account_id), known.alias_id)
        if json:
            _print(known, as_json=True)


def _owner(region: Region, image_id: str, account: str | None) -> Principal:
    if account is not None:
        return Principal(accounts.known(region, account).account_id)
    return Principal(image_lives.of_image(region, image_id).image.account_id)


def _chosen(region: Region, text: str, account: str | None) -> ImageAlias:
    """The alias of a name: of the account that is said, else the only one.

    Raises:
        NoSuchImageAlias, NoSuchAccount. WhichAccount: several accounts have it.
    """
    name = parsed(text)
    if name is None:
        raise NoSuchImageAlias(alias=text)
    owner = name.account_id if account is None else accounts.known(region, account).account_id
    same = [each for each in image_aliases.every(region) if each.alias_id == name.alias_id(each.account_id)]
    found = [each for each in same if owner in (None, each.account_id)]
    if not found:
        raise NoSuchImageAlias(alias=text)
    if len(found) > 1:
        raise WhichAccount
    return found[0]


def _print(alias: ImageAlias, *, as_json: bool) -> None:
    facts = views.view(alias)
    if as_json:
        print(codec.dumps(facts))
        return
    print(f"{facts['AliasName']}  {facts['ImageId'] or '-'}  {facts['State']}  since {facts['Date']}")
