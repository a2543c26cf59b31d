"""souche export list, souche export sign"""

from typing import Annotated

import typer

from souche.cli.actions import exports
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, plain, show
from souche.model.export_tasks import MOST_DAYS


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the commands."""
    _add_list(app, composition)
    _add_sign(app, composition)


def _add_list(app: typer.Typer, composition: Composition) -> None:
    @app.command("list")
    def list_exports(home: HomeFlag, json: JsonFlag = False) -> None:
        """List the exports of images, and until when their URLs work."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(exports.every)
        for facts in found:
            if json:
                show(facts, as_json=True)
            else:
                print("  ".join(plain(value or "-") for value in facts.values()))


def _add_sign(app: typer.Typer, composition: Composition) -> None:
    @app.command("sign")
    def sign_export(
        task: Annotated[str, typer.Argument(help="ID of the export task.")],
        home: HomeFlag,
        days: Annotated[
            int, typer.Option(help=f"For how many days the URLs work: 1 to {MOST_DAYS}.")
        ] = MOST_DAYS,
        json: JsonFlag = False,
    ) -> None:
        """Write new URLs into the manifest of a completed export, and print the manifest's. Disks, companion and
        signature stay as they are. An export into another account's bucket needs its key: RefreshExport."""
        with errors_shown(), composition.operate(home) as region:
            signed = region.do(exports.sign, task, days)
        show(signed, as_json=json)
