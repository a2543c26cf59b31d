"""The resources of all accounts or of one: a few columns of each, oldest first."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa

from souche.db.schema import buckets, images, snapshots, vms, volume_links, volumes
from souche.model.inventory import ListedBucket, ListedImage, ListedSnapshot, ListedVm, ListedVolume

AnySelect: TypeAlias = sa.Select[Any]
Row = TypeVar("Row")

_VMS = sa.select(
    vms.c.vm_id,
    vms.c.account_id,
    vms.c.state,
    vms.c.vm_type,
    vms.c.image_id,
    vms.c.private_ip,
    vms.c.creation_date,
).order_by(vms.c.creation_date, vms.c.vm_id)
_VOLUMES = (
    sa.select(
        volumes.c.volume_id,
        volumes.c.account_id,
        volumes.c.state,
        volumes.c.size_gib,
        volumes.c.volume_type,
        volume_links.c.vm_id,
        volume_links.c.device_name,
        volumes.c.snapshot_id,
        volumes.c.creation_date,
    )
    .select_from(volumes.outerjoin(volume_links, volume_links.c.volume_id == volumes.c.volume_id))
    .order_by(volumes.c.creation_date, volumes.c.volume_id)
)
_SNAPSHOTS = sa.select(
    snapshots.c.snapshot_id,
    snapshots.c.account_id,
    snapshots.c.state,
    snapshots.c.volume_size_gib,
    snapshots.c.volume_id,
    snapshots.c.image_id,
    snapshots.c.public,
    snapshots.c.creation_date,
).order_by(snapshots.c.creation_date, snapshots.c.snapshot_id)
_IMAGES = sa.select(
    images.c.image_id,
    images.c.account_id,
    images.c.state,
    images.c.name,
    images.c.public,
    images.c.creation_date,
).order_by(images.c.creation_date, images.c.image_id)
_BUCKETS = sa.select(buckets.c.name, buckets.c.account_id).order_by(buckets.c.name)


def list_vms(connection: sa.Connection, account_id: str | None) -> list[ListedVm]:
    """VMs, those terminated within the last hour among them; `account_id`: of one account."""
    return _listed(connection, ListedVm, _VMS, vms, account_id)


def list_volumes(connection: sa.Connection, account_id: str | None) -> list[ListedVolume]:
    """Volumes."""
    return _listed(connection, ListedVolume, _VOLUMES, volumes, account_id)


def list_snapshots(connection: sa.Connection, account_id: str | None) -> list[ListedSnapshot]:
    """Snapshots, those of images among them."""
    return _listed(connection, ListedSnapshot, _SNAPSHOTS, snapshots, account_id)


def list_images(connection: sa.Connection, account_id: str | None) -> list[ListedImage]:
    """Images, the provider's among them."""
    return _listed(connection, ListedImage, _IMAGES, images, account_id)


def list_buckets(connection: sa.Connection, account_id: str | None) -> list[ListedBucket]:
    """Buckets by name, as the records have them: those of the embedded store are read into these every minute."""
    return _listed(connection, ListedBucket, _BUCKETS, buckets, account_id)


def _listed(
    connection: sa.Connection,
    kind: Callable[..., Row],
    select: AnySelect,
    table: sa.Table,
    account_id: str | None,
) -> list[Row]:
    """One record for each row, whose columns are in the order of the record's fields."""
    own = select if account_id is None else select.where(table.c.account_id == account_id)
    return [kind(*row) for row in connection.execute(own)]
