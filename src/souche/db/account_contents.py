"""An account's resources, by their ids, and the rows that are deleted with the account."""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from souche.db.export_tasks import UNDER_WAY
from souche.db.schema import (
    access_keys,
    account_quotas,
    api_access_rules,
    buckets,
    export_tasks,
    image_aliases,
    images,
    keypairs,
    operations,
    product_types,
    public_ips,
    security_group_rules,
    security_groups,
    snapshots,
    subscriptions,
    vms,
    volumes,
)
from souche.model.account_contents import Kind
from souche.states import VmState


def _of(table: sa.Table, what: sa.ColumnElement[str], *criteria: sa.ColumnElement[bool]) -> sa.Select[Any]:
    own = table.c.account_id == sa.bindparam("account_id")
    return sa.select(what).where(own, *criteria).order_by(what)


def _exports() -> sa.Select[Any]:
    """Those of the account and those into its buckets, until they write no more: also cancelled ones."""
    table = export_tasks
    own = sa.or_(
        table.c.account_id == sa.bindparam("account_id"),
        table.c.bucket_account_id == sa.bindparam("account_id"),
    )
    writes = table.c.task_id.in_(sa.select(operations.c.subject_id))
    wanted = sa.select(table.c.task_id).where(own, sa.or_(table.c.state.in_(UNDER_WAY), writes))
    return wanted.order_by(table.c.task_id)


_IDS: Final[Mapping[Kind, sa.Select[Any]]] = {
    Kind.EXPORTS: _exports(),
    Kind.VMS: _of(vms, vms.c.vm_id, vms.c.state != VmState.TERMINATED),
    Kind.PUBLIC_IPS: _of(public_ips, public_ips.c.public_ip_id),
    Kind.IMAGE_ALIASES: _of(image_aliases, image_aliases.c.name + "@" + image_aliases.c.channel),
    Kind.IMAGES: _of(images, images.c.image_id),
    Kind.VOLUMES: _of(volumes, volumes.c.volume_id),
    Kind.SNAPSHOTS: _of(snapshots, snapshots.c.snapshot_id),
    Kind.KEYPAIRS: _of(keypairs, keypairs.c.keypair_id),
    Kind.SECURITY_GROUPS: _of(
        security_groups, security_groups.c.security_group_id, security_groups.c.name != "default"
    ),
    Kind.PRODUCT_TYPES: _of(product_types, product_types.c.product_type_id),
    Kind.BUCKETS: _of(buckets, buckets.c.name),
}


def ids(connection: sa.Connection, account_id: str, kind: Kind) -> list[str]:
    """The ids of an account's resources of a kind; for aliases and buckets, their names."""
    return list(connection.scalars(_IDS[kind], {"account_id": account_id}))


def clear_rules(connection: sa.Connection, account_id: str) -> None:
    """Erase the rules of an account's security groups, which may name each other."""
    own = sa.select(security_groups.c.security_group_id).where(security_groups.c.account_id == account_id)
    connection.execute(security_group_rules.delete().where(security_group_rules.c.security_group_id.in_(own)))


def erase(connection: sa.Connection, account_id: str) -> None:
    """Erase an account's access keys, API access rules, quotas and subscriptions."""
    for table in (access_keys, api_access_rules, account_quotas, subscriptions):
        connection.execute(table.delete().where(table.c.account_id == account_id))
