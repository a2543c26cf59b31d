"""Volume update tasks."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from souche.db import query as engine
from souche.db.finder import Finder
from souche.db.schema import volume_update_tasks as tasks
from souche.model.query import Query
from souche.model.volume_updates import VolumeShape, VolumeUpdate
from souche.states import VolumeUpdateState

FIELDS: engine.Fields = {"task_id": tasks.c.task_id, "volume_id": tasks.c.volume_id}
UNDER_WAY = (VolumeUpdateState.PENDING, VolumeUpdateState.ACTIVE)

_ORDER = engine.Order(tasks.c.creation_date, tasks.c.task_id)
_FINDER = Finder(tasks.select().where(tasks.c.account_id == engine.CALLER), FIELDS, _ORDER)
_UNDER_WAY = tasks.select().where(engine.is_among(tasks.c.volume_id), tasks.c.state.in_(UNDER_WAY))


def insert(connection: sa.Connection, update: VolumeUpdate) -> None:
    """Write a new task."""
    shapes = {
        f"{name}_{field}": value
        for name, shape in (("origin", update.origin), ("target", update.target))
        for field, value in vars(shape).items()
    }
    plain = {name: value for name, value in vars(update).items() if name not in ("origin", "target")}
    connection.execute(tasks.insert().values(**plain, **shapes))


def get(connection: sa.Connection, task_id: str) -> VolumeUpdate | None:
    """The task of this id, of any account."""
    row = connection.execute(tasks.select().where(tasks.c.task_id == task_id)).one_or_none()
    return None if row is None else _update(row)


def find(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[VolumeUpdate], bool]:
    """The account's tasks that satisfy the query, oldest first; and whether more remain."""
    rows, more = _FINDER.find(connection, query, caller=account_id)
    return [_update(row) for row in rows], more


def under_way(connection: sa.Connection, volume_ids: Collection[str]) -> dict[str, VolumeUpdate]:
    """The unfinished task of each of the volumes, by volume id."""
    found: dict[str, VolumeUpdate] = {}
    for batch in engine.batches(volume_ids):
        for row in connection.execute(_UNDER_WAY, {"among": batch}):
            found[row.volume_id] = _update(row)
    return found


def set_state(
    connection: sa.Connection,
    task_id: str,
    state: VolumeUpdateState,
    *,
    comment: str | None = None,
    ended: datetime | None = None,
) -> None:
    """Record a state; `comment` and `ended` if they are given."""
    given = {"comment": comment, "completion_date": ended}
    values = {name: value for name, value in given.items() if value is not None}
    connection.execute(tasks.update().where(tasks.c.task_id == task_id).values(state=state, **values))


def _update(row: engine.AnyRow) -> VolumeUpdate:
    return VolumeUpdate(
        task_id=row.task_id,
        account_id=row.account_id,
        volume_id=row.volume_id,
        state=VolumeUpdateState(row.state),
        comment=row.comment,
        origin=VolumeShape(row.origin_size_gib, row.origin_volume_type, row.origin_iops),
        target=VolumeShape(row.target_size_gib, row.target_volume_type, row.target_iops),
        creation_date=row.creation_date,
        completion_date=row.completion_date,
    )
