"""souche image clean"""

from json import dumps as to_json
from typing import Annotated

import typer

from souche.admin.action import Facts
from souche.admin.listener import Listener
from souche.cli.actions import image_reports
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.image_check import print_report
from souche.cli.output import errors_shown, plain, show
from souche.cli.progress import step_bar
from souche.cli.which_account import AccountFlag
from souche.errors import SystemFailure


class NotClean(SystemFailure):
    """The image {image_id} still has findings of severity high ({codes}). Apply the remedies in its report by hand, in
    a VM."""


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the command."""

    @app.command("clean")
    def clean_image(
        image: Annotated[str, typer.Argument(help="ID of an image that the account may use.")],
        home: HomeFlag,
        name: Annotated[str, typer.Option(help="Name of the clean image.")],
        account: AccountFlag = None,
        json: JsonFlag = False,
        wait: Annotated[bool, typer.Option("--wait", help="Wait until the server has made it.")] = False,
    ) -> None:
        """Make a clean image of another: without its author's keys and passwords, host keys, histories, machine-id,
        cloud-init data and logs (docs/trust.md). Linux only. Shows the changes and the report of the new image. Status
        1 if a finding of severity high remains. It takes minutes; progress goes to standard error."""
        with errors_shown(), composition.operate(home) as region, step_bar() as on_progress:
            made = region.heard_by(Listener(step=on_progress)).do(
                image_reports.clean, image, account=account, name=name, wait=wait
            )
        if "Report" not in made:
            show(made, as_json=json)
            return
        high = made["Report"].pop("High")
        _print(made, as_json=json)
        if high:
            with errors_shown():
                raise NotClean(image_id=made["ImageId"], codes=", ".join(high))


def _print(made: Facts, *, as_json: bool) -> None:
    if as_json:
        print(to_json(made))
        return
    show({name: made[name] for name in ("ImageId", "ImageName", "State")}, as_json=False)
    for each in made["Done"]:
        print(plain(f"{each['Code']}  {each['Path']}"))
        print(f"        {plain(each['Text'])}")
    print_report(made["Report"])
