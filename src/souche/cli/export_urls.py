"""souche export list, souche export sign"""

from typing import Annotated

import typer

from souche.api import dates
from souche.api import export_refreshes as views
from souche.app import accounts, export_refreshes
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import plain, show, told
from souche.errors import SystemFailure
from souche.model.export_tasks import MOST_DAYS, ExportTask


class OnlyServed(SystemFailure):
    """No server runs the region at the moment, and only a server reaches the buckets: start it (`souche serve`)."""


class ServerEnded(SystemFailure):
    """The server ended meanwhile. The new URLs of {task_id} are written when the region is served again
    (`souche serve`); until then the old ones are in the manifest."""


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the commands."""
    _add_list(app, composition)
    _add_sign(app, composition)


def _add_list(app: typer.Typer, composition: Composition) -> None:
    @app.command("list")
    def list_exports(home: HomeFlag, json: JsonFlag = False) -> None:
        """List the exports of images, and until when their URLs work."""
        with told(), composition.administer(home) as administered:
            exports = export_refreshes.every(administered.region)
            names = {each.account_id: each.name for each in accounts.every(administered.region)}
        for task in exports:
            facts = _facts(task, names)
            if json:
                show(facts, as_json=True)
            else:
                print("  ".join(plain(value or "-") for value in facts.values()))


def _facts(task: ExportTask, names: dict[str, str]) -> dict[str, object]:
    return {
        "TaskId": task.task_id,
        "Account": names.get(task.account_id, task.account_id),
        "ImageId": task.image_id,
        "State": task.state.value,
        "Bucket": task.bucket,
        "ManifestKey": task.manifest_key,
        "CreationDate": dates.shown(task.creation_date),
        "ExpirationDate": None if task.urls_until is None else dates.shown(task.urls_until),
    }


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
        with told(), composition.administer(home) as administered:
            if not administered.is_served():
                raise OnlyServed
            refreshed = export_refreshes.for_owner(administered.region, task, days)
            while refreshed.under_way and administered.is_served():
                refreshed = export_refreshes.wait(administered.region, refreshed.operation_id, task)
            if refreshed.under_way:
                raise ServerEnded(task_id=task)
            show(views.view(administered.region, refreshed), as_json=json)
