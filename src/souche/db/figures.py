"""Figures of a region. Each statement reads an index, or a table that is always short."""

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
    """The number of VMs in each state."""
    return {state: count for state, count in connection.execute(_VMS)}  # noqa: C416  (rows are no tuples)


def operations_by_workflow(connection: sa.Connection) -> list[tuple[str, int, datetime]]:
    """The unfinished operations: the number of each workflow, and the date of the oldest."""
    return [(workflow, count, oldest) for workflow, count, oldest in connection.execute(_UNDER_WAY)]
