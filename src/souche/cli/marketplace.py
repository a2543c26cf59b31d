"""souche marketplace"""

from typing import Annotated

import typer

from souche.app import accounts, image_copies, image_reports, marketplace, official_images
from souche.app.marketplace import Publication
from souche.cli.composition import Composition
from souche.cli.flags import AcceptedCodes, HomeFlag, JsonFlag
from souche.cli.output import show, told
from souche.errors import SystemFailure
from souche.model.images import Image
from souche.model.marketplace import Version
from souche.states import ImageState


class NotMade(SystemFailure):
    """The version {image_id} could not be made: {reason}"""


AccountArgument = Annotated[str, typer.Argument(help="Name or ID of the account.")]
ProductFlag = Annotated[str, typer.Option("--product", help="ID of a product type (CreateProductType).")]


def build(composition: Composition) -> typer.Typer:
    """The commands about the marketplace."""
    app = typer.Typer(help="Images of vendors, for those who subscribe.", no_args_is_help=True)

    @app.command()
    def publish(
        image: Annotated[str, typer.Argument(help="ID of an image of the vendor's.")],
        home: HomeFlag,
        account: Annotated[str, typer.Option(help="Name or ID of the vendor's account.")],
        product: ProductFlag,
        name: Annotated[str | None, typer.Option(help="Name of the version.")] = None,
        accept: AcceptedCodes = None,
        json: JsonFlag = False,
    ) -> None:
        """Publish a version: a frozen copy of the image, with the product's code, for its subscribers."""
        with told(), composition.administer(home) as administered:
            vendor = accounts.known(administered.region, account)
            image_reports.request_as_operator(administered.region, image, again=False)
            administered.examine(image, True)
            wanted = Publication(vendor, image, product, name, tuple(accept or ()))
            made = marketplace.publish(administered.region, wanted)
            administered.finish(image_copies.copy_operation_id(made))
            made = _checked(official_images.get(administered.region, made))
        show({"ImageId": made.image_id, "ImageName": made.name}, as_json=json)

    @app.command()
    def subscribe(account: AccountArgument, home: HomeFlag, product: ProductFlag) -> None:
        """Let an account launch and copy the versions of a product."""
        with told(), composition.administer(home) as administered:
            found = accounts.known(administered.region, account)
            marketplace.subscribe(administered.region, found, product)

    @app.command()
    def unsubscribe(account: AccountArgument, home: HomeFlag, product: ProductFlag) -> None:
        """Take that back. VMs that the account has launched go on."""
        with told(), composition.administer(home) as administered:
            found = accounts.known(administered.region, account)
            marketplace.unsubscribe(administered.region, found, product)

    @app.command()
    def withdraw(image: Annotated[str, typer.Argument(help="ID of a version.")], home: HomeFlag) -> None:
        """Delete a version. VMs launched from it go on."""
        with told(), composition.administer(home) as administered:
            marketplace.withdraw(administered.region, image)

    @app.command("list")
    def list_versions(home: HomeFlag, json: JsonFlag = False) -> None:
        """List the versions, and who may launch them."""
        with told(), composition.administer(home) as administered:
            for version, subscribers in marketplace.versions(administered.region).items():
                if json:
                    show({**_facts(version), "Subscribers": subscribers}, as_json=True)
                else:
                    print("  ".join(_facts(version).values()), f" {len(subscribers)} subscribers")

    return app


def _facts(version: Version) -> dict[str, str]:
    return {
        "ImageId": version.image_id,
        "ImageName": version.image_name,
        "ProductTypeId": version.product_type_id,
        "AccountId": version.account_id,
    }


def _checked(image: Image) -> Image:
    if image.state != ImageState.AVAILABLE:
        raise NotMade(image_id=image.image_id, reason=image.state_message or image.state)
    return image
