"""souche image uses, souche snapshot uses|list"""

import json as codec
from typing import Annotated

import typer

from souche.api import uses as views
from souche.app import uses
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.listing import add_list
from souche.cli.output import told
from souche.model.uses import Uses


def add_image(app: typer.Typer, composition: Composition) -> None:
    """Add `uses` to the commands about images."""

    @app.command("uses")
    def image_uses(
        image: Annotated[str, typer.Argument(help="ID of an image of any owner.")],
        home: HomeFlag,
        json: JsonFlag = False,
    ) -> None:
        """Show what depends on an image, as its owner sees it: VMs, copies, images of VMs launched from it, images of
        the same snapshots, shares, aliases, exports under way. Of other accounts only how many."""
        with told(), composition.administer(home) as administered:
            found = uses.of_image_as_owner(administered.region, image)
        _print(found, "ImageId", as_json=json)


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
        """Show what depends on a snapshot, as its owner sees it: volumes, copies, images, shares, exports under way. Of
        other accounts only how many."""
        with told(), composition.administer(home) as administered:
            found = uses.of_snapshot_as_owner(administered.region, snapshot)
        _print(found, "SnapshotId", as_json=json)

    add_list(app, composition, "snapshot")
    return app


def _print(found: Uses, key: str, *, as_json: bool) -> None:
    if as_json:
        print(codec.dumps(views.view(found, key)))
        return
    for kind, users in found.users.items():
        print(f"{kind:<22}  {' '.join(users.own) or '-'}  and {users.others} of other accounts")
    public = "everybody" if found.public else f"{found.shared_with} accounts"
    print(f"{'Shares':<22}  {public}")
