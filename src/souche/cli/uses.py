"""souche image uses, souche snapshot uses|list"""

import json as codec
from typing import Annotated, Final

import typer

from souche.admin.action import Facts
from souche.cli.actions import uses
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.listing import add_list
from souche.cli.output import errors_shown

SHARES: Final = "Shares"


def add_image(app: typer.Typer, composition: Composition) -> None:
    """Add `uses` to the commands about images."""

    @app.command("uses")
    def image_uses(
        image: Annotated[str, typer.Argument(help="ID of an image of any owner.")],
        home: HomeFlag,
        json: JsonFlag = False,
    ) -> None:
        """Show what depends on an image, as its owner sees it: VMs, copies, images of VMs launched from it, images of
        the same snapshots, shares, aliases, exports under way. Other accounts' resources are only counted."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(uses.of_image, image)
        _print(found, as_json=json)


def build_snapshot(composition: Composition) -> typer.Typer:
    """The commands about snapshots."""
    app = typer.Typer(help="Snapshots of the region.", no_args_is_help=True)

    @app.callback()
    def snapshot() -> None:
        """Snapshots of the region."""

    @app.command("uses")
    def snapshot_uses(
        snapshot: Annotated[str, typer.Argument(help="ID of a snapshot of any owner.")],
        home: HomeFlag,
        json: JsonFlag = False,
    ) -> None:
        """Show what depends on a snapshot, as its owner sees it: volumes, copies, images, shares, exports under way.
        Other accounts' resources are only counted."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(uses.of_snapshot, snapshot)
        _print(found, as_json=json)

    add_list(app, composition, "snapshot")
    return app


def _print(found: Facts, *, as_json: bool) -> None:
    if as_json:
        print(codec.dumps(found))
        return
    for kind, users in found.items():
        if isinstance(users, dict) and kind != SHARES:
            print(f"{kind:<22}  {' '.join(users['Own']) or '-'}  and {users['OfOthers']} of other accounts")
    shares = found[SHARES]
    public = "everybody" if shares["Public"] else f"{shares['Accounts']} accounts"
    print(f"{SHARES:<22}  {public}")
