"""The recorded stops of VMs."""

from datetime import datetime

import sqlalchemy as sa

from souche.db import query as engine
from souche.db.finder import Finder
from souche.db.schema import vm_stops
from souche.model import stop_reasons
from souche.model.query import Query
from souche.model.vm_stops import VmStop
from souche.model.vms import Vm

FIELDS: engine.Fields = {
    "vm_id": vm_stops.c.vm_id,
    "state_reason": vm_stops.c.state_reason,
    "stop_date": vm_stops.c.stop_date,
}

# As `VmStop.position_id`.
_ORDER = engine.Order(
    vm_stops.c.stop_date, vm_stops.c.vm_id + "/" + sa.cast(vm_stops.c.generation, sa.String)
)
_FINDER = Finder(vm_stops.select().where(vm_stops.c.account_id == engine.CALLER), FIELDS, _ORDER)


def record(connection: sa.Connection, vm: Vm, state_reason: str, now: datetime) -> None:
    """Record that a VM has stopped, once for each generation."""
    known = sa.select(vm_stops.c.vm_id).where(
        vm_stops.c.vm_id == vm.vm_id, vm_stops.c.generation == vm.generation
    )
    if connection.scalar(known) is None:
        connection.execute(
            vm_stops.insert().values(
                vm_id=vm.vm_id,
                generation=vm.generation,
                account_id=vm.account_id,
                state_reason=state_reason,
                stop_date=now,
            )
        )


def count_by_itself(connection: sa.Connection, vm_id: str, since: datetime) -> int:
    """How often the VM has stopped after `since` without its user's request."""
    among = sa.and_(
        vm_stops.c.vm_id == vm_id,
        vm_stops.c.stop_date > since,
        vm_stops.c.state_reason != stop_reasons.BY_USER,
    )
    return connection.scalar(sa.select(sa.func.count()).select_from(vm_stops).where(among)) or 0


def find(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[VmStop], bool]:
    """The stops of the account's VMs that satisfy the query, oldest first; and whether more remain."""
    rows, more = _FINDER.find(connection, query, caller=account_id)
    return [VmStop(row.vm_id, row.generation, row.state_reason, row.stop_date) for row in rows], more
