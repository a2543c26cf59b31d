"""souche bucket"""

from typing import Annotated

import typer

from souche.cli.actions import buckets
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.listing import add_list
from souche.cli.output import errors_shown, show


def build(composition: Composition) -> typer.Typer:
    """The commands about buckets."""
    app = typer.Typer(help="Buckets of the region's object store (OOS).", no_args_is_help=True)

    @app.command()
    def create(
        name: Annotated[str, typer.Argument(help="3 to 63 lower-case letters, digits and hyphens.")],
        home: HomeFlag,
        account: Annotated[str, typer.Option(help="Name or ID of the bucket's account.")],
        json: JsonFlag = False,
    ) -> None:
        """Create a bucket of one account, for all of its access keys. An existing bucket of the account does not
        change. With an object store that is not the embedded one, the first export creates the bucket."""
        with errors_shown(), composition.operate(home) as region:
            made = region.do(buckets.create, name, account)
        show(made, as_json=json)

    add_list(app, composition, "bucket")

    @app.callback()
    def group() -> None:
        """Buckets of the region's object store (OOS)."""

    return app
