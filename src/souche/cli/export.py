"""souche export"""

import time
from enum import StrEnum
from typing import Annotated, Final

import typer

from souche.app import export_tasks
from souche.app.export_tasks import Target
from souche.cli import export_urls
from souche.cli.composition import Administered, Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.groups import DefaultGroup
from souche.cli.output import show, told
from souche.cli.progress import Tell, transfer_bar
from souche.errors import SystemFailure
from souche.model.export_tasks import ExportTask
from souche.states import ExportState

POLL_SECONDS: Final = 0.25
HELP: Final = (
    "Export images, and keep exports from going stale: `souche export --home DIR IMAGE --bucket BUCKET`."
)


class ExportFailed(SystemFailure):
    """The export {task_id} is {state}: {comment}"""


class NoServer(SystemFailure):
    """No server runs the region at the moment: the export {task_id} is done when one does (`souche serve`)."""


class Format(StrEnum):
    """Of the disks in the bucket, as an option takes it."""

    QCOW2 = "qcow2"
    RAW = "raw"


def build(composition: Composition) -> typer.Typer:
    """The commands about exports."""
    app = typer.Typer(help=HELP, cls=DefaultGroup)
    _add_make(app, composition)
    export_urls.add(app, composition)

    @app.callback(help=HELP)
    def group() -> None:
        """Nothing beside what its commands do."""

    return app


def _add_make(app: typer.Typer, composition: Composition) -> None:
    @app.command(DefaultGroup.default)
    def export(
        image: Annotated[str, typer.Argument(help="ID of the image.")],
        home: HomeFlag,
        bucket: Annotated[str, typer.Option(help="Bucket; it is made if it is missing.")],
        prefix: Annotated[str, typer.Option(help="What the keys in the bucket begin with.")] = "",
        disk_format: Annotated[Format, typer.Option("--format", help="Of the disks.")] = Format.QCOW2,
        json: JsonFlag = False,
    ) -> None:
        """Export an image into a bucket of its account's, and print the URL of its manifest, which any region
        imports. Progress goes to standard error. To stop waiting does not stop the export."""
        with told(), composition.administer(home) as administered:
            target = Target(disk_format.value, bucket, prefix)
            task = export_tasks.export_for_owner(administered.region, image, target)
            with transfer_bar() as tell:
                ended = _wait(administered, task, tell)
            url = export_tasks.manifest_url(administered.region, ended)
        show({"TaskId": task.task_id, "ManifestUrl": url}, as_json=json)


def _wait(administered: Administered, task: ExportTask, tell: Tell) -> ExportTask:
    """The task once it is completed."""
    while task.state in (ExportState.QUEUED, ExportState.ACTIVE):
        if task.state == ExportState.QUEUED and not administered.is_served():
            raise NoServer(task_id=task.task_id)
        time.sleep(POLL_SECONDS)
        task = export_tasks.get(administered.region, task.task_id)
        tell(task.state.value, task.done_bytes, task.total_bytes or None)
    if task.state != ExportState.COMPLETED:
        raise ExportFailed(task_id=task.task_id, state=task.state, comment=task.told)
    return task
