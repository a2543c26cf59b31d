"""Volumes, with their links to VMs."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from souche.db import query as engine
from souche.db import tags, volume_updates
from souche.db.finder import Finder
from souche.db.schema import operations, volume_links, volumes
from souche.model.query import PageRow, Query
from souche.model.volume_updates import VolumeShape, VolumeUpdate
from souche.model.volumes import Volume, VolumeLink
from souche.states import LinkState, VolumeState


def _link(column: str) -> engine.Child:
    return engine.Child(volume_links, volume_links.c[column], volume_links.c.volume_id, volumes.c.volume_id)


FIELDS: engine.Fields = {
    "volume_id": volumes.c.volume_id,
    "client_token": volumes.c.client_token,
    "creation_date": volumes.c.creation_date,
    "snapshot_id": volumes.c.snapshot_id,
    "state": volumes.c.state,
    "subregion_name": volumes.c.subregion_name,
    "size_gib": volumes.c.size_gib,
    "volume_type": volumes.c.volume_type,
    "iops": volumes.c.iops,
    "link_date": _link("link_date"),
    "link_vm_id": _link("vm_id"),
    "link_device_name": _link("device_name"),
    "link_delete_on_vm_deletion": _link("delete_on_vm_deletion"),
    "link_state": _link("state"),
    **tags.fields(volumes.c.volume_id),
}

_ORDER = engine.Order(volumes.c.creation_date, volumes.c.volume_id)
_PAGE_FINDER = Finder(
    engine.page_rows(_ORDER, volumes.c.version, sa.true()).where(volumes.c.account_id == engine.CALLER),
    FIELDS,
    _ORDER,
)
_BY_IDS = volumes.select().where(engine.is_among(volumes.c.volume_id))
_BY_ID = volumes.select().where(engine.is_wanted(volumes.c.volume_id))
_OF_VMS = volumes.select().where(
    volumes.c.volume_id.in_(sa.select(volume_links.c.volume_id).where(engine.is_among(volume_links.c.vm_id)))
)
_LINKS = volume_links.select().where(engine.is_among(volume_links.c.volume_id))
_SET_STATE = (
    volumes.update()
    .where(engine.is_wanted(volumes.c.volume_id))
    .values(state=sa.bindparam("new_state", type_=sa.String))
)
_SET_IN_USE = (
    volumes.update()
    .where(
        volumes.c.volume_id.in_(
            sa.select(volume_links.c.volume_id).where(engine.is_wanted(volume_links.c.vm_id))
        )
    )
    .values(state=VolumeState.IN_USE)
)
_SET_ATTACHED = (
    volume_links.update().where(engine.is_wanted(volume_links.c.vm_id)).values(state=LinkState.ATTACHED)
)


def insert(connection: sa.Connection, new: Sequence[Volume]) -> None:
    """Write new volumes, with the links of those that have one, by two statements."""
    names = [column.name for column in volumes.c if column.name not in ("product_codes", "version")]
    rows = [
        {name: getattr(volume, name) for name in names} | {"product_codes": list(volume.product_codes)}
        for volume in new
    ]
    if rows:
        connection.execute(volumes.insert(), rows)
    link(connection, *(volume.link for volume in new if volume.link))


def get(connection: sa.Connection, volume_id: str) -> Volume | None:
    """The volume of this id, of any account."""
    rows = connection.execute(_BY_ID, {"wanted": volume_id}).all()
    return next(iter(_volumes(connection, rows)), None)


def owned(connection: sa.Connection, account_id: str, volume_id: str) -> Volume | None:
    """The account's volume of this id."""
    own = volumes.select().where(volumes.c.volume_id == volume_id, volumes.c.account_id == account_id)
    return next(iter(_volumes(connection, connection.execute(own).all())), None)


def find_page(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[PageRow], bool]:
    """The places of a page of the account's volumes that satisfy the query, oldest first; and whether more remain."""
    return _PAGE_FINDER.find_page(connection, query, caller=account_id)


def read(connection: sa.Connection, volume_ids: Collection[str]) -> list[Volume]:
    """The volumes of these ids, of any account, with their links."""
    rows: list[engine.AnyRow] = []
    for batch in engine.batches(volume_ids):
        rows += connection.execute(_BY_IDS, {"among": batch})
    return _volumes(connection, rows)


def of_vm(connection: sa.Connection, vm_id: str) -> list[Volume]:
    """The volumes linked to a VM, in device order."""
    return of_vms(connection, [vm_id]).get(vm_id, [])


def of_vms(connection: sa.Connection, vm_ids: Sequence[str]) -> dict[str, list[Volume]]:
    """The volumes linked to each of several VMs, in device order (/dev/sda1 comes first)."""
    rows: list[engine.AnyRow] = []
    for batch in engine.batches(vm_ids):
        rows += connection.execute(_OF_VMS, {"among": batch})
    found: dict[str, list[Volume]] = {}
    for volume in sorted(_volumes(connection, rows), key=_device_order):
        if volume.link:
            found.setdefault(volume.link.vm_id, []).append(volume)
    return found


def creating_from_snapshot(connection: sa.Connection, snapshot_id: str) -> str | None:
    """The id of a volume that is being made from the snapshot."""
    return connection.scalar(
        sa.select(volumes.c.volume_id)
        .where(volumes.c.snapshot_id == snapshot_id, volumes.c.state == VolumeState.CREATING)
        .limit(1)
    )


def with_client_token(connection: sa.Connection, account_id: str, client_token: str) -> Volume | None:
    """The volume that the account made with this token."""
    rows = connection.execute(
        volumes.select().where(volumes.c.account_id == account_id, volumes.c.client_token == client_token)
    ).all()
    return next(iter(_volumes(connection, rows)), None)


def release_client_token(connection: sa.Connection, volume_id: str) -> None:
    """Free the token of this volume for another one."""
    connection.execute(volumes.update().where(volumes.c.volume_id == volume_id).values(client_token=None))


def ids_after(connection: sa.Connection, after: str, limit: int) -> list[str]:
    """The first ids after this one, in their order, of volumes in any state. Reads the index of ids only."""
    key = volumes.c.volume_id
    return list(connection.scalars(sa.select(key).where(key > after).order_by(key).limit(limit)))


def recorded(connection: sa.Connection, volume_ids: Collection[str]) -> set[str]:
    """Those of the ids that are volumes', in any state."""
    key = volumes.c.volume_id
    return engine.among(connection, sa.select(key), key, volume_ids)


def with_bytes(connection: sa.Connection, first: str, last: str) -> set[str]:
    """The ids from `first` to `last` of the volumes that have their bytes. Not the volumes of a VM that is being made,
    or is being deleted with them: its operation knows better."""
    passing = sa.select(volume_links.c.volume_id).join(
        operations, operations.c.subject_id == volume_links.c.vm_id
    )
    made = volumes.c.state.in_([VolumeState.AVAILABLE, VolumeState.IN_USE])
    key = volumes.c.volume_id
    found = sa.select(key).where(made, key.not_in(passing), key.between(first, last))
    return set(connection.scalars(found))


def set_state(connection: sa.Connection, volume_id: str, state: VolumeState) -> None:
    """Record a state."""
    connection.execute(_SET_STATE, {"wanted": volume_id, "new_state": state})


def set_attached(connection: sa.Connection, vm_id: str) -> None:
    """Record that all volumes of a VM are attached to it and in use, by two statements."""
    connection.execute(_SET_IN_USE, {"wanted": vm_id})
    connection.execute(_SET_ATTACHED, {"wanted": vm_id})


def set_size_and_type(connection: sa.Connection, volume_id: str, shape: VolumeShape) -> None:
    """Record the result of an update."""
    connection.execute(volumes.update().where(volumes.c.volume_id == volume_id).values(**vars(shape)))


def link(connection: sa.Connection, *new: VolumeLink) -> None:
    """Write links of volumes to VMs.

    Raises:
        sqlalchemy.exc.IntegrityError: a volume is linked already, or a device is taken.
    """
    names = [column.name for column in volume_links.c]
    if new:
        connection.execute(
            volume_links.insert(), [{name: getattr(each, name) for name in names} for each in new]
        )


def unlink(connection: sa.Connection, volume_id: str) -> None:
    """Delete a volume's link; without one it is no error."""
    connection.execute(volume_links.delete().where(volume_links.c.volume_id == volume_id))


def set_link_state(connection: sa.Connection, volume_id: str, state: LinkState) -> None:
    """Record the state of a volume's link."""
    connection.execute(volume_links.update().where(volume_links.c.volume_id == volume_id).values(state=state))


def set_delete_on_vm_deletion(connection: sa.Connection, volume_id: str, *, delete: bool) -> None:
    """Record whether the volume is deleted with its VM."""
    connection.execute(
        volume_links.update()
        .where(volume_links.c.volume_id == volume_id)
        .values(delete_on_vm_deletion=delete)
    )


def erase(connection: sa.Connection, volume_id: str) -> None:
    """Delete a volume's record with its link; one that is gone already is no error."""
    connection.execute(volumes.delete().where(volumes.c.volume_id == volume_id))


def _device_order(volume: Volume) -> tuple[bool, int, str]:
    name = volume.link.device_name if volume.link else ""
    return name != "/dev/sda1", len(name), name


def _volumes(connection: sa.Connection, rows: Sequence[engine.AnyRow]) -> list[Volume]:
    ids = [row.volume_id for row in rows]
    links, updates = _links(connection, ids), volume_updates.under_way(connection, ids)
    return [_volume(row, links.get(row.volume_id), updates.get(row.volume_id)) for row in rows]


def _links(connection: sa.Connection, ids: Sequence[str]) -> dict[str, VolumeLink]:
    return {
        row.volume_id: _link_record(row)
        for batch in engine.batches(ids)
        for row in connection.execute(_LINKS, {"among": batch})
    }


def _link_record(row: engine.AnyRow) -> VolumeLink:
    columns: dict[str, Any] = row._asdict()
    return VolumeLink(**columns | {"state": LinkState(row.state)})


def _volume(row: engine.AnyRow, link_record: VolumeLink | None, update: VolumeUpdate | None) -> Volume:
    columns: dict[str, Any] = row._asdict()
    del columns["version"]
    return Volume(
        **columns
        | {
            "state": VolumeState(row.state),
            "product_codes": tuple(row.product_codes),
            "link": link_record,
            "update": update,
        }
    )
