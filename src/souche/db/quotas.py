"""The limits of accounts that differ from the defaults, and what accounts use."""

from collections.abc import Mapping

import sqlalchemy as sa

from souche.db.query import AnySelect, is_wanted
from souche.db.schema import (
    account_quotas,
    accounts,
    buckets,
    export_tasks,
    image_aliases,
    images,
    keypairs,
    public_ips,
    security_groups,
    snapshots,
    vms,
    volumes,
)
from souche.db.schema import volume_update_tasks as tasks
from souche.db.volume_updates import UNDER_WAY
from souche.model import quotas
from souche.states import ExportState, VmState

_LIVE = vms.c.state != VmState.TERMINATED
_EXPORTING = export_tasks.c.state.in_([ExportState.QUEUED, ExportState.ACTIVE])


def _counted(table: sa.Table, what: sa.ColumnElement[int], *criteria: sa.ColumnElement[bool]) -> AnySelect:
    account = table.c.account_id == sa.bindparam("account_id", type_=sa.String)
    return sa.select(what).select_from(table).where(account, *criteria)


def _sum(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(column), 0)


def _with(statement: AnySelect, *others: AnySelect) -> AnySelect:
    """The sum of what several count."""
    return sa.select(sum((each.scalar_subquery() for each in others), start=statement.scalar_subquery()))


def _gain(origin: sa.ColumnElement[int], target: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return _sum(sa.case((target > origin, target - origin), else_=0))


_NO_IOPS = sa.literal(0)

# The size that volume updates under way will add, so that two updates cannot pass the quota together.
_MORE_SIZE = _counted(
    tasks, _gain(tasks.c.origin_size_gib, tasks.c.target_size_gib), tasks.c.state.in_(UNDER_WAY)
)
_MORE_IOPS = _counted(
    tasks,
    _gain(sa.func.coalesce(tasks.c.origin_iops, _NO_IOPS), sa.func.coalesce(tasks.c.target_iops, _NO_IOPS)),
    tasks.c.state.in_(UNDER_WAY),
)

# A resource counts in every state, until it is deleted.
_USED: Mapping[str, AnySelect] = {
    quotas.IMAGES.name: _counted(images, sa.func.count()),
    quotas.IMAGE_EXPORTS.name: _counted(
        export_tasks, sa.func.count(), _EXPORTING, export_tasks.c.image_id.is_not(None)
    ),
    quotas.SNAPSHOTS.name: _counted(snapshots, sa.func.count()),
    quotas.SNAPSHOT_SIZE.name: _counted(snapshots, _sum(snapshots.c.volume_size_gib)),
    quotas.SNAPSHOT_EXPORTS.name: _counted(
        export_tasks, sa.func.count(), _EXPORTING, export_tasks.c.snapshot_id.is_not(None)
    ),
    quotas.VOLUMES.name: _counted(volumes, sa.func.count()),
    quotas.VOLUME_SIZE.name: _with(_counted(volumes, _sum(volumes.c.size_gib)), _MORE_SIZE),
    quotas.IOPS.name: _with(
        _counted(volumes, _sum(volumes.c.iops), volumes.c.volume_type == "io1"), _MORE_IOPS
    ),
    quotas.VMS.name: _counted(vms, sa.func.count(), _LIVE),
    quotas.CORES.name: _counted(vms, _sum(vms.c.vcpus), _LIVE),
    quotas.MEMORY.name: _counted(vms, _sum(vms.c.memory_mib), _LIVE),
    quotas.KEYPAIRS.name: _counted(keypairs, sa.func.count()),
    quotas.PUBLIC_IPS.name: _counted(public_ips, sa.func.count()),
    quotas.SECURITY_GROUPS.name: _counted(security_groups, sa.func.count()),
    quotas.BUCKETS.name: _counted(buckets, sa.func.count()),
    quotas.IMAGE_ALIASES.name: _counted(image_aliases, sa.func.count()),
}


_LIMITS = sa.select(account_quotas.c.name, account_quotas.c.max_value).where(
    is_wanted(account_quotas.c.account_id)
)
_LOCK = sa.select(accounts.c.account_id).where(is_wanted(accounts.c.account_id)).with_for_update()


def used(connection: sa.Connection, account_id: str, name: str) -> int:
    """How much of a quota the account uses, in the quota's units."""
    statement = _USED.get(name)
    return 0 if statement is None else int(connection.scalar(statement, {"account_id": account_id}) or 0)


def limits(connection: sa.Connection, account_id: str) -> dict[str, int]:
    """The account's own limits that differ from the defaults, by the quota's name."""
    rows = connection.execute(_LIMITS, {"wanted": account_id})
    return {row.name: row.max_value for row in rows}


def set_limit(connection: sa.Connection, account_id: str, name: str, limit: int) -> None:
    """Set a limit of the account."""
    table = account_quotas
    connection.execute(table.delete().where(table.c.account_id == account_id, table.c.name == name))
    connection.execute(table.insert().values(account_id=account_id, name=name, max_value=limit))


def lock(connection: sa.Connection, account_id: str) -> None:
    """Lock the account's quotas until this transaction ends. SQLite has one writer at a time, and needs nothing."""
    connection.execute(_LOCK, {"wanted": account_id})
