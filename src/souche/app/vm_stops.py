"""The history of stops."""

from souche.app.context.region import Region
from souche.db import vm_stops
from souche.model.accounts import Principal
from souche.model.query import Query
from souche.model.vm_stops import VmStop


def find(region: Region, who: Principal, query: Query) -> tuple[list[VmStop], bool]:
    """The stops of the caller's VMs that satisfy `query`, oldest first, and whether more remain."""
    with region.store.read() as connection:
        return vm_stops.find(connection, who.account_id, query)
