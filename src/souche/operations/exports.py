"""Operations that write into buckets."""

from dataclasses import dataclass
from typing import ClassVar

from souche.model.export_tasks import ExportTask
from souche.model.operations import Operation, Params, make


@dataclass(frozen=True)
class ExportImage(Params):
    """`region` is the name of the region that signs it."""

    workflow: ClassVar[str] = "export_image"

    region: str


def export_image(task: ExportTask, region: str) -> Operation[ExportImage]:
    """Write an image into a bucket."""
    return make(ExportImage(region), task.task_id, task.account_id)


@dataclass(frozen=True)
class ExportSnapshot(Params):
    """The task's record has the rest."""

    workflow: ClassVar[str] = "export_snapshot"


def export_snapshot(task: ExportTask) -> Operation[ExportSnapshot]:
    """Write a snapshot into a bucket."""
    return make(ExportSnapshot(), task.task_id, task.account_id)


@dataclass(frozen=True)
class RefreshExport(Params):
    """With URLs that work for `days`."""

    workflow: ClassVar[str] = "refresh_export"

    days: int


def refresh_export(task: ExportTask, days: int, run: str) -> Operation[RefreshExport]:
    """Write new URLs into the manifest of an export. `run` is no other operation's."""
    return make(RefreshExport(days), task.task_id, task.account_id, run)
