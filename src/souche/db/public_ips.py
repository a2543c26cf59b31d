"""Public IPs, and their VMs."""

from collections.abc import Collection

import sqlalchemy as sa

from souche.db import query as engine
from souche.db import tags
from souche.db.finder import Finder
from souche.db.schema import public_ips, vms
from souche.model.public_ips import PublicIp, PublicIpLink
from souche.model.query import Query

FIELDS: engine.Fields = {
    "public_ip_id": public_ips.c.public_ip_id,
    "public_ip": public_ips.c.public_ip,
    "link_id": public_ips.c.link_id,
    "vm_id": public_ips.c.vm_id,
    "private_ip": vms.c.private_ip,
    **tags.fields(public_ips.c.public_ip_id),
}

_ORDER = engine.Order(public_ips.c.creation_date, public_ips.c.public_ip_id)
_SELECT = sa.select(public_ips, vms.c.private_ip).select_from(
    public_ips.outerjoin(vms, vms.c.vm_id == public_ips.c.vm_id)
)
_FINDER = Finder(_SELECT.where(public_ips.c.account_id == engine.CALLER), FIELDS, _ORDER)

_OF_VMS = sa.select(public_ips.c.vm_id, public_ips.c.public_ip).where(engine.is_among(public_ips.c.vm_id))


def insert(connection: sa.Connection, new: PublicIp) -> None:
    """Write a new, unlinked public IP.

    Raises:
        sqlalchemy.exc.IntegrityError: the address is taken.
    """
    connection.execute(
        public_ips.insert().values(
            public_ip_id=new.public_ip_id,
            account_id=new.account_id,
            public_ip=new.public_ip,
            creation_date=new.creation_date,
        )
    )


def with_id(connection: sa.Connection, account_id: str, public_ip_id: str) -> PublicIp | None:
    """The account's public IP of this id."""
    return _one(connection, account_id, public_ips.c.public_ip_id == public_ip_id)


def with_address(connection: sa.Connection, account_id: str, public_ip: str) -> PublicIp | None:
    """The account's public IP with this address."""
    return _one(connection, account_id, public_ips.c.public_ip == public_ip)


def with_link(connection: sa.Connection, account_id: str, link_id: str) -> PublicIp | None:
    """The account's public IP whose link has this id."""
    return _one(connection, account_id, public_ips.c.link_id == link_id)


def _one(connection: sa.Connection, account_id: str, here: engine.Criterion) -> PublicIp | None:
    row = connection.execute(_SELECT.where(public_ips.c.account_id == account_id, here)).one_or_none()
    return None if row is None else _public_ip(row)


def find(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[PublicIp], bool]:
    """The account's public IPs that satisfy the query, oldest first; and whether more remain."""
    rows, more = _FINDER.find(connection, query, caller=account_id)
    return [_public_ip(row) for row in rows], more


def addresses(connection: sa.Connection) -> set[str]:
    """All addresses of accounts."""
    return set(connection.scalars(sa.select(public_ips.c.public_ip)))


def of_vms(connection: sa.Connection, vm_ids: Collection[str]) -> dict[str, str]:
    """The address of each of the VMs that has one, by VM id."""
    found: dict[str, str] = {}
    for batch in engine.batches(vm_ids):
        found.update((row.vm_id, row.public_ip) for row in connection.execute(_OF_VMS, {"among": batch}))
    return found


def link(connection: sa.Connection, public_ip_id: str, vm_id: str, link_id: str) -> None:
    """Link a public IP to this VM, which loses any other one."""
    unlink_vm(connection, vm_id)
    here = public_ips.c.public_ip_id == public_ip_id
    connection.execute(public_ips.update().where(here).values(vm_id=vm_id, link_id=link_id))


def unlink(connection: sa.Connection, public_ip_id: str) -> None:
    """Unlink a public IP; unlinked already is success."""
    _release(connection, public_ips.c.public_ip_id == public_ip_id)


def unlink_vm(connection: sa.Connection, vm_id: str) -> None:
    """Unlink the VM's public IP; none is success too."""
    _release(connection, public_ips.c.vm_id == vm_id)


def _release(connection: sa.Connection, here: engine.Criterion) -> None:
    connection.execute(public_ips.update().where(here).values(vm_id=None, link_id=None))


def erase(connection: sa.Connection, public_ip_id: str) -> None:
    """Delete a public IP: its address is free."""
    connection.execute(public_ips.delete().where(public_ips.c.public_ip_id == public_ip_id))


def _public_ip(row: engine.AnyRow) -> PublicIp:
    return PublicIp(
        public_ip_id=row.public_ip_id,
        account_id=row.account_id,
        public_ip=row.public_ip,
        creation_date=row.creation_date,
        link=PublicIpLink(row.link_id, row.vm_id, row.private_ip) if row.vm_id else None,
    )
