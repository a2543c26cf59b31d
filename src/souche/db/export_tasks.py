"""Export tasks, and the snapshots that unfinished ones read."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from souche import ids
from souche.db import query as engine
from souche.db import tags
from souche.db.finder import Finder
from souche.db.schema import export_disks as disks
from souche.db.schema import export_tasks as tasks
from souche.model.export_tasks import ExportTask, WrittenDisk
from souche.model.images import Image
from souche.model.query import Query
from souche.states import ExportState

FIELDS: engine.Fields = {
    "task_id": tasks.c.task_id,
    "image_id": tasks.c.image_id,
    "snapshot_id": tasks.c.snapshot_id,
    **tags.fields(tasks.c.task_id),
}
UNDER_WAY: Final = (ExportState.QUEUED, ExportState.ACTIVE)
SOURCES: Final[Mapping[str, sa.Column[Any]]] = {
    ids.IMAGE_EXPORT: tasks.c.image_id,
    ids.SNAPSHOT_EXPORT: tasks.c.snapshot_id,
}

_ORDER = engine.Order(tasks.c.creation_date, tasks.c.task_id)
_FINDERS: Final[Mapping[str, Finder]] = {
    kind: Finder(
        tasks.select().where(tasks.c.account_id == engine.CALLER, source.is_not(None)), FIELDS, _ORDER
    )
    for kind, source in SOURCES.items()
}
_IMAGE = msgspec.json.Decoder(Image)


def insert(connection: sa.Connection, task: ExportTask) -> None:
    """Write a new task, with the snapshots that it reads."""
    image = msgspec.json.encode(task.image).decode() if task.image else None
    connection.execute(tasks.insert().values({**vars(task), "image": image}))
    sources = [{"task_id": task.task_id, "snapshot_id": snapshot_id} for snapshot_id in task.snapshot_ids]
    connection.execute(disks.insert(), sources)


def get(connection: sa.Connection, task_id: str) -> ExportTask | None:
    """The task of this id, of any account."""
    row = connection.execute(tasks.select().where(tasks.c.task_id == task_id)).one_or_none()
    return None if row is None else _task(row)


def owned(connection: sa.Connection, account_id: str, task_id: str) -> ExportTask | None:
    """The account's task of this id."""
    own = tasks.select().where(tasks.c.task_id == task_id, tasks.c.account_id == account_id)
    row = connection.execute(own).one_or_none()
    return None if row is None else _task(row)


def find(
    connection: sa.Connection, account_id: str, kind: str, query: Query
) -> tuple[list[ExportTask], bool]:
    """The account's tasks of a kind (the prefix of its ids) that satisfy the query, oldest first; and whether more
    remain."""
    rows, more = _FINDERS[kind].find(connection, query, caller=account_id)
    return [_task(row) for row in rows], more


def reads(connection: sa.Connection, snapshot_id: str) -> bool:
    """Whether an unfinished export reads the snapshot."""
    return bool(connection.scalar(sa.select(sa.exists().where(disks.c.snapshot_id == snapshot_id))))


def ended(connection: sa.Connection) -> list[ExportTask]:
    """The tasks that have ended in any way."""
    over = (ExportState.COMPLETED, ExportState.CANCELLED, ExportState.FAILED)
    return [_task(row) for row in connection.execute(tasks.select().where(tasks.c.state.in_(over)))]


def set_state(connection: sa.Connection, task_id: str, state: ExportState) -> None:
    """Record a state."""
    connection.execute(tasks.update().where(tasks.c.task_id == task_id).values(state=state))


def set_progress(connection: sa.Connection, task_id: str, done_bytes: int, total_bytes: int) -> None:
    """Record the progress."""
    values = {"done_bytes": done_bytes, "total_bytes": total_bytes, "note": None}
    connection.execute(tasks.update().where(tasks.c.task_id == task_id).values(values))


def set_note(connection: sa.Connection, task_id: str, note: str | None) -> None:
    """Record the reason for the task's wait, or its leftovers."""
    connection.execute(tasks.update().where(tasks.c.task_id == task_id).values(note=note))


def release(connection: sa.Connection, task_id: str) -> None:
    """Record that nothing reads the task's snapshots any more, and that none of them counts as written."""
    connection.execute(disks.delete().where(disks.c.task_id == task_id))


def set_manifest_url(connection: sa.Connection, task_id: str, sealed_url: bytes, until: datetime) -> None:
    """Record the manifest's URL, as the vault sealed it, and until when it works, and those in the manifest."""
    values = {"sealed_manifest_url": sealed_url, "urls_until": until}
    connection.execute(tasks.update().where(tasks.c.task_id == task_id).values(values))


def begin_refresh(
    connection: sa.Connection, task_id: str, access_key_id: str | None, sealed_secret_key: bytes | None
) -> None:
    """Record that the URLs of a task will be renewed, with this key if the bucket is another account's."""
    values = {
        "refresh_problem": None,
        "access_key_id": access_key_id,
        "sealed_secret_key": sealed_secret_key,
    }
    connection.execute(tasks.update().where(tasks.c.task_id == task_id).values(values))


def end_refresh(connection: sa.Connection, task_id: str, problem: str | None) -> None:
    """Record that they were renewed, or why not (`problem`); the key is erased."""
    values = {"refresh_problem": problem, "sealed_secret_key": None}
    connection.execute(tasks.update().where(tasks.c.task_id == task_id).values(values))


def every_of_images(connection: sa.Connection) -> list[ExportTask]:
    """All exports of images, of every account, oldest first."""
    ordered = tasks.select().where(tasks.c.image_id.is_not(None))
    rows = connection.execute(ordered.order_by(tasks.c.creation_date, tasks.c.task_id))
    return [_task(row) for row in rows]


def end(connection: sa.Connection, task_id: str, **values: object) -> None:
    """Record the end of a task, with these columns: its snapshots are free, and another account's key is erased."""
    here = tasks.c.task_id == task_id
    connection.execute(tasks.update().where(here).values(sealed_secret_key=None, **values))
    release(connection, task_id)


def record_disk(connection: sa.Connection, task_id: str, disk: WrittenDisk) -> None:
    """Record that a disk is in the bucket."""
    here = (disks.c.task_id == task_id, disks.c.snapshot_id == disk.snapshot_id)
    connection.execute(disks.update().where(*here).values(asdict(disk)))


def written_disks(connection: sa.Connection, task_id: str) -> dict[str, WrittenDisk]:
    """The disks that are in the bucket, by snapshot id."""
    statement = disks.select().where(disks.c.task_id == task_id, disks.c.object_sha256.is_not(None))
    columns = [column for column in disks.c if column is not disks.c.task_id]
    rows = connection.execute(statement.with_only_columns(*columns))
    return {row.snapshot_id: WrittenDisk(**row._asdict()) for row in rows}


def _task(row: engine.AnyRow) -> ExportTask:
    plain = {name: value for name, value in row._asdict().items() if name not in ("state", "image")}
    image = _IMAGE.decode(row.image) if row.image else None
    return ExportTask(**plain, state=ExportState(row.state), image=image)
