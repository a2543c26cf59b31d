"""What a region has, in numbers. Each statement reads an index, or a table that is short by its nature."""

from datetime import datetime

import sqlalchemy as sa

from souche.db.schema import operations, vms

_VMS = sa.select(vms.c.state, sa.func.count()).group_by(vms.c.state)
_OLDEST = sa.func.min(operations.c.creation_date)
_UNDER_WAY = (
    sa.select(operations.c.workflow, sa.func.count(), _OLDEST)
    .group_by(operations.c.workflow)
    .order_by(_OLDEST, operations.c.workflow)
)


def vms_by_state(connection: sa.Connection) -> dict[str, int]:
    """How many VMs are in each state that any is in."""
    return {state: count for state, count in connection.execute(_VMS)}  # noqa: C416  (rows are no tuples)


def operations_by_workflow(connection: sa.Connection) -> list[tuple[str, int, datetime]]:
    """The operations that have not ended: how many of each workflow, and when the oldest was requested."""
    return [(workflow, count, oldest) for workflow, count, oldest in connection.execute(_UNDER_WAY)]
