"""souche image list, withdraw, deprecate and undo"""

from typing import Annotated

import typer

from souche.admin.action import Facts
from souche.cli.actions import image_lives, inventory
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.listing import OfAccountFlag, show_listed
from souche.cli.output import errors_shown, show
from souche.model.image_lives import GRACE_DAYS

ImageArgument = Annotated[str, typer.Argument(help="ID of an official image.")]
SuccessorFlag = Annotated[str | None, typer.Option("--successor", help="ID of the image to use instead.")]
ReasonFlag = Annotated[str | None, typer.Option("--reason", help="The reason, for users of the image.")]
GraceFlag = Annotated[
    int | None,
    typer.Option(
        "--grace-days",
        help="Days for which it can still be launched by its ID after the withdrawal. "
        f"Then it is deleted. Default: {GRACE_DAYS}.",
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
        """List the images published by `build` and `publish`, oldest first: state, dates, successor. With --all, the
        images of all accounts; with --account, those of one."""
        with errors_shown(), composition.operate(home) as region:
            if everyone or account is not None:
                listed = region.do(inventory.listed, "image", account)
                show_listed(listed, as_json=json)
                return
            found = region.do(image_lives.every, family)
        for each in found:
            _print(each, as_json=json)


def _print(facts: Facts, *, as_json: bool) -> None:
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
                help="Only its owner can launch it from now on; it is kept for the grace period.",
            ),
        ] = False,
        successor: SuccessorFlag = None,
        reason: ReasonFlag = None,
        grace_days: GraceFlag = None,
        json: JsonFlag = False,
    ) -> None:
        """Withdraw an official image: it is no longer listed. VMs launched from it, and copies, are not affected."""
        with errors_shown(), composition.operate(home) as region:
            made = region.do(
                image_lives.withdraw,
                image,
                reason=reason,
                successor=successor,
                grace_days=grace_days,
                now=now,
            )
        show(made, as_json=json)


def _add_deprecate(app: typer.Typer, composition: Composition) -> None:
    @app.command("deprecate")
    def deprecate(
        image: ImageArgument,
        home: HomeFlag,
        on: Annotated[str, typer.Option(help="The date of the withdrawal: YYYY-MM-DD, or with a time; UTC.")],
        successor: SuccessorFlag = None,
        reason: ReasonFlag = None,
        grace_days: GraceFlag = None,
        json: JsonFlag = False,
    ) -> None:
        """Set the date on which an official image will be withdrawn. The region withdraws it then, or at its next
        start."""
        with errors_shown(), composition.operate(home) as region:
            made = region.do(
                image_lives.deprecate,
                image,
                reason=reason,
                successor=successor,
                grace_days=grace_days,
                on=on,
            )
        show(made, as_json=json)


def _add_undo(app: typer.Typer, composition: Composition) -> None:
    @app.command("undo")
    def undo(image: ImageArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Undo a withdrawal or a deprecation. The previous launch permissions are restored."""
        with errors_shown(), composition.operate(home) as region:
            made = region.do(image_lives.undo, image)
        show(made, as_json=json)
