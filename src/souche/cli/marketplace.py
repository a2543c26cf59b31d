"""souche marketplace"""

from typing import Annotated

import typer

from souche.cli.actions import marketplace
from souche.cli.composition import Composition
from souche.cli.flags import AcceptedCodes, HomeFlag, JsonFlag
from souche.cli.output import errors_shown, show, show_if_json

AccountArgument = Annotated[str, typer.Argument(help="Name or ID of the account.")]
ProductFlag = Annotated[str, typer.Option("--product", help="ID of a product type (CreateProductType).")]


def build(composition: Composition) -> typer.Typer:
    """The commands about the marketplace."""
    app = typer.Typer(help="Vendors' images for subscribers.", no_args_is_help=True)
    _add_publish(app, composition)
    _add_subscriptions(app, composition)
    _add_versions(app, composition)
    return app


def _add_publish(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def publish(
        image: Annotated[str, typer.Argument(help="ID of the vendor's image.")],
        home: HomeFlag,
        account: Annotated[str, typer.Option(help="Name or ID of the vendor's account.")],
        product: ProductFlag,
        name: Annotated[str | None, typer.Option(help="Name of the version.")] = None,
        accept: AcceptedCodes = None,
        json: JsonFlag = False,
    ) -> None:
        """Publish a version: a frozen copy of the image, with the product's code, for its subscribers."""
        with errors_shown(), composition.operate(home) as region:
            made = region.do(
                marketplace.publish,
                image,
                account=account,
                product=product,
                name=name,
                accepted=accept or [],
            )
        show(made, as_json=json)


def _add_subscriptions(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def subscribe(
        account: AccountArgument, home: HomeFlag, product: ProductFlag, json: JsonFlag = False
    ) -> None:
        """Let an account launch and copy the versions of a product."""
        with errors_shown(), composition.operate(home) as region:
            made = region.do(marketplace.subscribe, account, product)
        show_if_json(made, as_json=json)

    @app.command()
    def unsubscribe(
        account: AccountArgument, home: HomeFlag, product: ProductFlag, json: JsonFlag = False
    ) -> None:
        """End a subscription. VMs that the account has launched are not affected."""
        with errors_shown(), composition.operate(home) as region:
            ended = region.do(marketplace.unsubscribe, account, product)
        show_if_json(ended, as_json=json)


def _add_versions(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def withdraw(
        image: Annotated[str, typer.Argument(help="ID of a version.")], home: HomeFlag, json: JsonFlag = False
    ) -> None:
        """Delete a version. VMs launched from it are not affected."""
        with errors_shown(), composition.operate(home) as region:
            withdrawn = region.do(marketplace.withdraw, image)
        show_if_json(withdrawn, as_json=json)

    @app.command("list")
    def list_versions(home: HomeFlag, json: JsonFlag = False) -> None:
        """List the versions, and the accounts that may launch them."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(marketplace.versions)
        for facts in found:
            if json:
                show(facts, as_json=True)
            else:
                subscribers = facts.pop("Subscribers")
                print("  ".join(facts.values()), f" {len(subscribers)} subscribers")
