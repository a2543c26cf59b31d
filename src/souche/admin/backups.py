"""The part of a region in its backup (`backup/make.py`)."""

from souche import ids
from souche.admin.action import Administered, action
from souche.app import backups
from souche.compute.absent import GuestsNeedServer
from souche.db import region as region_records
from souche.db import vms
from souche.states import VmState

AT_REST = (VmState.STOPPED, VmState.TERMINATED)


@action
def region_id(at: Administered) -> str:
    """The region's id."""
    with at.region.store.read() as connection:
        return region_records.region_id(connection)


@action
def buckets(at: Administered) -> dict[str, str]:
    """The buckets of the embedded object store, with the ids of their accounts."""
    return dict(at.buckets())


@action
def capture(at: Administered, backup_id: str, volume_ids: list[str]) -> None:
    """Capture volumes for a backup; one that cannot be captured is left out.

    Raises:
        GuestsNeedServer: a guest may be writing to one of them, and no server runs.
    """
    if not at.reaches_guests() and _written(at) & set(volume_ids):
        raise GuestsNeedServer
    prefix = ids.backup_capture(backup_id, "")
    for operation_id in backups.request_captures(at.region, volume_ids, prefix):
        at.finish(operation_id)


def _written(at: Administered) -> set[str]:
    """The volumes that guests may be writing to."""
    with at.region.store.read() as connection:
        running = vms.in_states(connection, [state for state in VmState if state not in AT_REST])
    return {volume.volume_id for vm in running for volume in vm.volumes}
