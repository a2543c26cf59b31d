"""The region's id, and the networks recorded at its first start."""

import sqlalchemy as sa

from souche.db.schema import region


def adopt_id(connection: sa.Connection, new_id: str) -> str:
    """The region's id; `new_id` is recorded if there is none yet."""
    known = connection.scalar(sa.select(region.c.region_id))
    if known is None:
        connection.execute(region.insert().values(region_id=new_id))
    return known or new_id


def region_id(connection: sa.Connection) -> str:
    """The region's id."""
    found = connection.scalar(sa.select(region.c.region_id))
    assert found is not None, "a region that was opened has its id"
    return str(found)


def guest_network(connection: sa.Connection) -> str | None:
    """The recorded network of the guests (CIDR)."""
    return connection.scalar(sa.select(region.c.guest_network))


def public_range(connection: sa.Connection) -> str | None:
    """The recorded range of public IPs (CIDR)."""
    return connection.scalar(sa.select(region.c.public_range))


def set_public_range(connection: sa.Connection, cidr: str) -> None:
    """Record the range of public IPs (CIDR)."""
    connection.execute(region.update().values(public_range=cidr))


def set_guest_network(connection: sa.Connection, cidr: str) -> None:
    """Record the guests' network (CIDR)."""
    connection.execute(region.update().values(guest_network=cidr))
