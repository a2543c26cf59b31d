"""Snapshots, with their grants."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from souche.db import grants, tags
from souche.db import query as engine
from souche.db.owners import SharedFinder
from souche.db.schema import accounts, snapshot_grants, snapshots
from souche.model.permissions import Permissions
from souche.model.query import PageRow, Query
from souche.model.snapshots import Snapshot
from souche.states import SnapshotState

FIELDS: engine.Fields = {
    "snapshot_id": snapshots.c.snapshot_id,
    "account_id": snapshots.c.account_id,
    "client_token": snapshots.c.client_token,
    "creation_date": snapshots.c.creation_date,
    "description": snapshots.c.description,
    "granted_account_id": engine.Child(
        snapshot_grants,
        snapshot_grants.c.account_id,
        snapshot_grants.c.snapshot_id,
        snapshots.c.snapshot_id,
    ),
    "public": snapshots.c.public,
    "progress_percent": snapshots.c.progress_percent,
    "state": snapshots.c.state,
    "volume_id": snapshots.c.volume_id,
    "volume_size_gib": snapshots.c.volume_size_gib,
    **tags.fields(snapshots.c.snapshot_id),
}

_SELECT = sa.select(snapshots, accounts.c.alias.label("account_alias")).join(
    accounts, accounts.c.account_id == snapshots.c.account_id
)
_UNMADE = snapshots.c.state.in_([SnapshotState.IN_QUEUE, SnapshotState.PENDING])
_ORDER = engine.Order(snapshots.c.creation_date, snapshots.c.snapshot_id)
_SCOPES = grants.scopes(snapshots, snapshots.c.snapshot_id, snapshot_grants.c.snapshot_id, engine.CALLER)
_FINDER = SharedFinder(_SELECT, FIELDS, _ORDER, _SCOPES)
_VERSIONS = engine.page_rows(_ORDER, snapshots.c.version, snapshots.c.account_id == engine.CALLER)
_PAGE_FINDER = SharedFinder(_VERSIONS, FIELDS, _ORDER, _SCOPES)
_BY_IDS = _SELECT.where(engine.is_among(snapshots.c.snapshot_id))


def insert(connection: sa.Connection, snapshot: Snapshot) -> None:
    """Write a new snapshot with its grants."""
    connection.execute(snapshots.insert().values(_columns(snapshot)))
    grants.add(
        connection, snapshot_grants.c.snapshot_id, snapshot.snapshot_id, snapshot.permissions.account_ids
    )


def get(connection: sa.Connection, snapshot_id: str) -> Snapshot | None:
    """The snapshot of this id, of any account."""
    rows = connection.execute(_SELECT.where(snapshots.c.snapshot_id == snapshot_id)).all()
    return next(iter(_snapshots(connection, rows)), None)


def get_usable(connection: sa.Connection, snapshot_id: str, account_id: str) -> Snapshot | None:
    """The snapshot of this id, if the account may make volumes, images and copies of it."""
    usable = grants.usable(snapshots, snapshots.c.snapshot_id, snapshot_grants.c.snapshot_id, account_id)
    rows = connection.execute(_SELECT.where(snapshots.c.snapshot_id == snapshot_id, usable)).all()
    return next(iter(_snapshots(connection, rows)), None)


def find(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[Snapshot], bool]:
    """The snapshots that the account may use and that satisfy the query, oldest first; and whether more remain."""
    rows, more = _FINDER.find(connection, query, account_id)
    return _snapshots(connection, rows), more


def find_page(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[PageRow], bool]:
    """As `find`, with the page rows only."""
    return _PAGE_FINDER.find_page(connection, query, account_id)


def read(connection: sa.Connection, snapshot_ids: Collection[str]) -> list[Snapshot]:
    """The snapshots of these ids, of any account."""
    rows: list[engine.AnyRow] = []
    for batch in engine.batches(snapshot_ids):
        rows += connection.execute(_BY_IDS, {"among": batch})
    return _snapshots(connection, rows)


def of_image_creation(connection: sa.Connection, image_id: str) -> list[Snapshot]:
    """The snapshots that the creation of an image from a VM makes."""
    rows = connection.execute(
        _SELECT.where(snapshots.c.image_id == image_id).order_by(snapshots.c.snapshot_id)
    ).all()
    return _snapshots(connection, rows)


def with_client_token(connection: sa.Connection, account_id: str, client_token: str) -> Snapshot | None:
    """The snapshot that the account made with this token."""
    rows = connection.execute(
        _SELECT.where(snapshots.c.account_id == account_id, snapshots.c.client_token == client_token)
    ).all()
    return next(iter(_snapshots(connection, rows)), None)


def release_client_token(connection: sa.Connection, snapshot_id: str) -> None:
    """Free the token of this snapshot for another one."""
    connection.execute(
        snapshots.update().where(snapshots.c.snapshot_id == snapshot_id).values(client_token=None)
    )


def is_being_copied(connection: sa.Connection, snapshot_id: str) -> bool:
    """Whether an unfinished copy of the snapshot exists, alone or with its image."""
    mine = snapshots.c.source_snapshot_id == snapshot_id
    return bool(connection.scalar(sa.select(sa.exists().where(mine, _UNMADE))))


def being_taken(connection: sa.Connection, volume_id: str) -> list[str]:
    """The ids of the unfinished snapshots of the volume."""
    mine = snapshots.c.volume_id == volume_id
    return list(connection.scalars(sa.select(snapshots.c.snapshot_id).where(mine, _UNMADE)))


def ids_after(connection: sa.Connection, after: str, limit: int) -> list[str]:
    """The first ids after this one, in their order, of snapshots in any state. Reads the index of ids only."""
    key = snapshots.c.snapshot_id
    return list(connection.scalars(sa.select(key).where(key > after).order_by(key).limit(limit)))


def recorded(connection: sa.Connection, snapshot_ids: Collection[str]) -> set[str]:
    """Those of the ids that are snapshots', in any state."""
    key = snapshots.c.snapshot_id
    return engine.among(connection, sa.select(key), key, snapshot_ids)


def with_bytes(connection: sa.Connection, first: str, last: str) -> set[str]:
    """The ids from `first` to `last` of the snapshots that have their bytes."""
    key = snapshots.c.snapshot_id
    completed = sa.select(key).where(snapshots.c.state == SnapshotState.COMPLETED)
    return set(connection.scalars(completed.where(key.between(first, last))))


def set_state(
    connection: sa.Connection, snapshot_ids: Collection[str], state: SnapshotState, *, progress_percent: int
) -> None:
    """Record the state and progress of snapshots."""
    connection.execute(
        snapshots.update()
        .where(snapshots.c.snapshot_id.in_(snapshot_ids))
        .values(state=state, progress_percent=progress_percent)
    )


def set_failed(connection: sa.Connection, snapshot_id: str, problem: str) -> None:
    """Record that a snapshot could not be made, and why."""
    values = {"state": SnapshotState.ERROR, "progress_percent": 0, "problem": problem}
    connection.execute(snapshots.update().where(snapshots.c.snapshot_id == snapshot_id).values(values))


def set_size(connection: sa.Connection, snapshot_id: str, size_gib: int) -> None:
    """Record the size of the snapshot."""
    connection.execute(
        snapshots.update().where(snapshots.c.snapshot_id == snapshot_id).values(volume_size_gib=size_gib)
    )


def set_public(connection: sa.Connection, snapshot_id: str, *, public: bool) -> None:
    """Make the snapshot public, or private again."""
    connection.execute(snapshots.update().where(snapshots.c.snapshot_id == snapshot_id).values(public=public))


def grant(connection: sa.Connection, snapshot_id: str, account_ids: Collection[str]) -> None:
    """Let accounts make volumes, images and copies of the snapshot."""
    grants.add(connection, snapshot_grants.c.snapshot_id, snapshot_id, account_ids)


def revoke(connection: sa.Connection, snapshot_id: str, account_ids: Collection[str]) -> None:
    """Take grants back."""
    grants.remove(connection, snapshot_grants.c.snapshot_id, snapshot_id, account_ids)


def erase(connection: sa.Connection, snapshot_ids: Collection[str]) -> None:
    """Delete records; those that are gone already are no error."""
    connection.execute(snapshots.delete().where(snapshots.c.snapshot_id.in_(snapshot_ids)))


def _columns(snapshot: Snapshot) -> dict[str, Any]:
    return {
        column.name: getattr(snapshot, column.name) for column in snapshots.c if column.name not in _DERIVED
    } | {"public": snapshot.permissions.public, "product_codes": list(snapshot.product_codes)}


_DERIVED = {"public", "product_codes", "version"}


def _snapshots(connection: sa.Connection, rows: Sequence[engine.AnyRow]) -> list[Snapshot]:
    ids = [row.snapshot_id for row in rows]
    granted = grants.of_resources(connection, snapshot_grants.c.snapshot_id, ids) if ids else {}
    return [_snapshot(row, granted[row.snapshot_id]) for row in rows]


def _snapshot(row: engine.AnyRow, granted: tuple[str, ...]) -> Snapshot:
    plain = {name: value for name, value in row._asdict().items() if name not in _DERIVED | {"state"}}
    return Snapshot(
        **plain,
        state=SnapshotState(row.state),
        permissions=Permissions(granted, row.public),
        product_codes=tuple(row.product_codes),
    )
