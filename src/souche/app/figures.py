"""Figures of a region, for its operator."""

from souche.app.context.region import Region
from souche.db import figures
from souche.model.figures import Figures, UnderWay


def read(region: Region) -> Figures:
    """The present figures, read in one transaction."""
    now = region.clock.now()
    with region.store.read() as connection:
        vms = figures.vms_by_state(connection)
        under_way = figures.operations_by_workflow(connection)
    ages = [
        UnderWay(workflow, count, max((now - oldest).total_seconds(), 0.0))
        for workflow, count, oldest in under_way
    ]
    return Figures(vms, ages)
