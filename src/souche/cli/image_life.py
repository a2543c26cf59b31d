"""souche image list, withdraw, deprecate and undo"""

from typing import Annotated

import typer

from souche.api import dates
from souche.app import image_lives, inventory
from souche.app.image_lives import Going
from souche.app.official_images import GRACE_DAYS
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.listing import OfAccountFlag, show_listed
from souche.cli.output import show, told
from souche.model.image_lives import LivingImage
from souche.refusals import BadValue
from souche.words import Term

ImageArgument = Annotated[str, typer.Argument(help="ID of an official image.")]
SuccessorFlag = Annotated[
    str | None, typer.Option("--successor", help="ID of the image to use instead of it.")
]
ReasonFlag = Annotated[str | None, typer.Option("--reason", help="Why, for those who use the image.")]
GraceFlag = Annotated[
    int | None,
    typer.Option(
        "--grace-days",
        help="For how many days it can still be launched by its ID once it is withdrawn; "
        f"then it is deleted. Default: {GRACE_DAYS}.",
    ),
]


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the commands."""
    _add_list(app, composition)
    _add_withdraw(app, composition)
    _add_deprecate(app, composition)
    _add_undo(app, composition)


def _add_list(app: typer.Typer, composition: Composition) -> None:
    @app.command("list")
    def list_images(
        home: HomeFlag,
        family: Annotated[str | None, typer.Option(help="Only the images of this family.")] = None,
        everyone: Annotated[bool, typer.Option("--all", help="The images of all accounts.")] = False,
        account: OfAccountFlag = None,
        json: JsonFlag = False,
    ) -> None:
        """List the images that were published by `build` and `publish`, oldest first: state, dates, successor. With
        --all, the images of all accounts; with --account, those of one."""
        with told(), composition.administer(home) as administered:
            if everyone or account is not None:
                show_listed(inventory.listed(administered.region, "image", account), as_json=json)
                return
            for each in image_lives.every(administered.region):
                if family in (None, each.image.family):
                    _print(each, as_json=json)


def _print(living: LivingImage, *, as_json: bool) -> None:
    facts = view(living)
    if as_json:
        show(facts, as_json=True)
        return
    shown = ("ImageId", "ImageName", "State")
    dated = ("DeprecatedOn", "WithdrawnOn", "LaunchableUntil", "SuccessorId", "VerifiedOn")
    told_of = [f"{name}={facts[name]}" for name in dated if facts[name]]
    print("  ".join([*(str(facts[name]) for name in shown), *told_of]))


def _add_withdraw(app: typer.Typer, composition: Composition) -> None:
    @app.command("withdraw")
    def withdraw(
        image: ImageArgument,
        home: HomeFlag,
        now: Annotated[
            bool,
            typer.Option(
                "--now",
                help="Nobody but its owner can launch it from now on; it is kept for the days of grace.",
            ),
        ] = False,
        successor: SuccessorFlag = None,
        reason: ReasonFlag = None,
        grace_days: GraceFlag = None,
        json: JsonFlag = False,
    ) -> None:
        """Withdraw an official image: it is listed no longer. VMs launched from it, and copies, go on."""
        with told(), composition.administer(home) as administered:
            going = Going(reason, successor, grace_days)
            made = image_lives.withdraw(administered.region, image, going, now=now)
        show(view(made), as_json=json)


def _add_deprecate(app: typer.Typer, composition: Composition) -> None:
    @app.command("deprecate")
    def deprecate(
        image: ImageArgument,
        home: HomeFlag,
        on: Annotated[
            str, typer.Option(help="The date on which it is withdrawn: YYYY-MM-DD, or with a time; UTC.")
        ],
        successor: SuccessorFlag = None,
        reason: ReasonFlag = None,
        grace_days: GraceFlag = None,
        json: JsonFlag = False,
    ) -> None:
        """Say when an official image will be withdrawn. The region withdraws it then, or at its next start."""
        with told(), composition.administer(home) as administered:
            date = dates.read(on)
            if date is None:
                raise BadValue(parameter=Term.DATE, reason=f"'{on}' is not a date like 2026-12-31.")
            going = Going(reason, successor, grace_days)
            made = image_lives.deprecate(administered.region, image, date, going)
        show(view(made), as_json=json)


def _add_undo(app: typer.Typer, composition: Composition) -> None:
    @app.command("undo")
    def undo(image: ImageArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Take a withdrawal or a deprecation back. Who could launch the image can again."""
        with told(), composition.administer(home) as administered:
            made = image_lives.undo(administered.region, image)
        show(view(made), as_json=json)


def view(living: LivingImage) -> dict[str, object]:
    """An image and its life, as the commands show them. Dates in ISO 8601; empty: none."""
    image, life = living.image, living.life
    facts: dict[str, object] = {
        "ImageId": image.image_id,
        "ImageName": image.name,
        "State": living.state,
        "Family": image.family or "",
        "Account": image.account_alias or image.account_id,
        "CreationDate": dates.shown(image.creation_date),
    }
    return {**facts, **of_life(living), "Reason": life.reason if life else ""}


def of_life(living: LivingImage) -> dict[str, str]:
    """The dates of an image's life, and its successor."""
    life = living.life
    shown = {
        "DeprecatedOn": life and life.deprecation_date,
        "WithdrawnOn": life and life.withdrawal_date,
        "LaunchableUntil": living.launchable_until,
        "DeletedOn": living.image.launchable_until,
        "VerifiedOn": living.verified_on,
    }
    told_of = {name: dates.shown(date) if date else "" for name, date in shown.items()}
    return {**told_of, "SuccessorId": (life and life.successor_id) or ""}
