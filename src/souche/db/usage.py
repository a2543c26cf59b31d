"""Counts of each account's resources."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final

import sqlalchemy as sa

from souche.db.query import batches
from souche.db.schema import export_tasks, images, snapshots, vms, volumes
from souche.model.usage import Counts
from souche.states import ExportState, VmState

_COUNT = sa.func.count()
_KEPT = (ExportState.QUEUED, ExportState.ACTIVE, ExportState.COMPLETED)


def _sum(column: sa.Column[int]) -> sa.ColumnElement[int]:
    return sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger)


def _by_account(
    table: sa.Table, *criteria: sa.ColumnElement[bool], **numbers: sa.ColumnElement[int]
) -> sa.Select[Any]:
    columns = [number.label(name) for name, number in numbers.items()]
    return sa.select(table.c.account_id, *columns).where(*criteria).group_by(table.c.account_id)


_COUNTED: Final = (
    _by_account(vms, vms.c.state != VmState.TERMINATED, vms=_COUNT),
    _by_account(volumes, volumes=_COUNT, volume_gib=_sum(volumes.c.size_gib)),
    _by_account(snapshots, snapshots=_COUNT),
    _by_account(images, images=_COUNT),
    _by_account(
        export_tasks,
        export_tasks.c.state.in_(_KEPT),
        exports=_COUNT,
        export_bytes=_sum(export_tasks.c.done_bytes),
    ),
)
_OWNED: Final = ((volumes, volumes.c.volume_id), (snapshots, snapshots.c.snapshot_id))


def counts(connection: sa.Connection) -> dict[str, Counts]:
    """The counts of each account that has anything, by its id."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for statement in _COUNTED:
        for row in connection.execute(statement).mappings():
            numbers = dict(row)
            found[numbers.pop("account_id")].update(numbers)
    return {account_id: Counts(**numbers) for account_id, numbers in found.items()}


def owners(connection: sa.Connection, disk_ids: Collection[str]) -> dict[str, str]:
    """The accounts of volumes and snapshots, by their ids, of which some may have no record. Sends statements for some
    ids at a time, so that other threads run between them."""
    found: dict[str, str] = {}
    for batch in batches(disk_ids):
        for table, key in _OWNED:
            rows = connection.execute(sa.select(key, table.c.account_id).where(key.in_(batch)))
            found.update({disk_id: account_id for disk_id, account_id in rows})  # noqa: C416  (rows are no tuples)
    return found
