"""Online changes of a volume's size, type and Iops, as tasks (reference section 7)."""

from collections import Counter
from dataclasses import dataclass, replace

from souche import ids
from souche.app import block_devices, going_volumes, quotas
from souche.app.context import lookup
from souche.app.context.page import Page
from souche.app.context.region import Region
from souche.db import tags, volume_updates
from souche.model import quotas as limits
from souche.model.accounts import Principal
from souche.model.query import Query
from souche.model.volume_updates import VolumeShape, VolumeUpdate
from souche.model.volumes import Volume
from souche.operations.volumes import update_volume
from souche.refusals import WrongVolumeState
from souche.states import LinkState, VolumeState, VolumeUpdateState
from souche.value_refusals import BadVolumeSize, MissingParameter
from souche.words import Term


@dataclass(frozen=True)
class Change:
    """The changes of UpdateVolume; None leaves a field as it is."""

    volume_id: str
    size_gib: int | None = None
    volume_type: str | None = None
    iops: int | None = None


def update(region: Region, who: Principal, change: Change) -> Volume:
    """Request a change. The answer shows the volume as it was, with the task.

    Raises:
        NoSuchVolume, WrongVolumeState, MissingParameter, BadVolumeSize, QuotaExceeded, and those of
        block_devices.check_volume.
    """
    with region.begin() as work:
        volume = lookup.own_volume(work.connection, who, change.volume_id)
        _check_state(volume)
        going_volumes.check_stays(work.connection, volume)
        task = _task(region, volume, _target(volume, change))
        quotas.check(work, who, _more(task.origin, task.target))
        volume_updates.insert(work.connection, task)
        work.operations.append(update_volume(task))
    return replace(volume, update=task)


def _check_state(volume: Volume) -> None:
    if volume.state not in (VolumeState.AVAILABLE, VolumeState.IN_USE):
        raise WrongVolumeState(
            volume_id=volume.volume_id, state=volume.state, reason="it must be available or in-use"
        )
    if volume.link and volume.link.state != LinkState.ATTACHED:
        raise WrongVolumeState(
            volume_id=volume.volume_id, state=volume.link.state, reason="it must be attached, or not linked"
        )
    if volume.update:
        raise WrongVolumeState(
            volume_id=volume.volume_id, state=volume.state, reason=f"{volume.update.task_id} is under way"
        ).while_passing(volume.volume_id)


def _target(volume: Volume, change: Change) -> VolumeShape:
    if change.size_gib is None and change.volume_type is None and change.iops is None:
        raise MissingParameter(parameter=Term.SIZE)
    size_gib = volume.size_gib if change.size_gib is None else change.size_gib
    volume_type = volume.volume_type if change.volume_type is None else change.volume_type
    iops = volume.iops if change.iops is None and volume_type == volume.volume_type else change.iops
    block_devices.check_volume(size_gib, volume_type, iops, device_name="the volume")
    if size_gib < volume.size_gib:
        raise BadVolumeSize(
            size_gib=size_gib, reason=f"a volume can only grow, and it has {volume.size_gib} GiB"
        )
    return VolumeShape(size_gib, volume_type, iops)


def _task(region: Region, volume: Volume, target: VolumeShape) -> VolumeUpdate:
    return VolumeUpdate(
        task_id=region.ids.new(ids.VOLUME_UPDATE),
        account_id=volume.account_id,
        volume_id=volume.volume_id,
        state=VolumeUpdateState.PENDING,
        comment=f"Update of volume {volume.volume_id}",
        origin=VolumeShape(volume.size_gib, volume.volume_type, volume.iops),
        target=target,
        creation_date=region.clock.now(),
    )


def _more(origin: VolumeShape, target: VolumeShape) -> quotas.Need:
    """The change's use of quotas, in addition to the volume's current use."""
    return Counter(
        {
            limits.VOLUME_SIZE: target.size_gib - origin.size_gib,
            limits.IOPS: (target.iops or 0) - (origin.iops or 0),
        }
    )


def find(region: Region, who: Principal, query: Query) -> Page[VolumeUpdate]:
    """The caller's tasks that satisfy `query`, oldest first."""
    with region.store.read() as connection:
        page, more = volume_updates.find(connection, who.account_id, query)
        tagged = tags.of_resources(connection, [task.task_id for task in page])
    return Page(page, tagged, more)
