"""Disks without a record."""

from souche.admin.action import Administered, Facts, action
from souche.app import trash
from souche.app.trash import Discarded


@action
def every(at: Administered) -> list[Facts]:
    """The trash, and the disks without a record outside of it."""
    return [_facts(each) for each in trash.every(at.region, at.volumes)]


@action
def restore(at: Administered, resource_id: str, account: str | None) -> Facts:
    """Restore a disk under its id."""
    return _facts(trash.restore(at.region, at.volumes, resource_id, account))


@action
def discard(at: Administered, resource_ids: list[str]) -> list[Facts]:
    """Move disks without a record into the trash: these, or all."""
    return [_facts(each) for each in trash.discard(at.region, at.volumes, resource_ids)]


@action
def empty(at: Administered, resource_ids: list[str]) -> list[Facts]:
    """Remove disks from the trash permanently: the named ones, or all."""
    return [_facts(each) for each in trash.empty(at.region, at.volumes, resource_ids)]


def _facts(disk: Discarded) -> Facts:
    date = disk.date.isoformat(timespec="seconds").replace("+00:00", "Z") if disk.date else None
    return {
        "ResourceId": disk.resource_id,
        "Kind": disk.kind,
        "SizeBytes": disk.size_bytes,
        "DiscardDate": date,
    }
