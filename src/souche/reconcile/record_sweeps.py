"""The sweeps that only need records. Any process of a region may run them, one at a time."""

from souche.reconcile import leftovers, notices, withdrawn
from souche.reconcile.loop import Sweep
from souche.workflows.parts import Records


def record_sweeps(records: Records) -> list[Sweep]:
    """These sweeps and their intervals."""
    return [
        Sweep("terminated", lambda: leftovers.forget_terminated(records), 60.0, of_region=True),
        Sweep("withdrawn", lambda: withdrawn.retire(records), 60.0, of_region=True),
        Sweep("notices", lambda: notices.tidy(records), 3600.0, of_region=True),
    ]
