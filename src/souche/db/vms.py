"""Virtual machines."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from souche.db import public_ips, security_groups, tags, volumes
from souche.db import query as engine
from souche.db.finder import Finder
from souche.db.schema import public_ips as public_ip_table
from souche.db.schema import security_groups as group_table
from souche.db.schema import vm_product_codes, vm_security_groups, vms, volume_links
from souche.model.query import PageRow, Query
from souche.model.security_groups import GroupName
from souche.model.vms import Vm, VmStanding
from souche.model.volumes import Volume
from souche.states import VmState


def _link(column: str) -> engine.Child:
    return engine.Child(volume_links, volume_links.c[column], volume_links.c.vm_id, vms.c.vm_id)


def _group(column: sa.ColumnElement[str]) -> engine.Child:
    joined = vm_security_groups.join(group_table)
    return engine.Child(joined, column, vm_security_groups.c.vm_id, vms.c.vm_id, common=True)


_LINKED = sa.select(public_ip_table.c.public_ip).where(public_ip_table.c.vm_id == vms.c.vm_id)

FIELDS: engine.Fields = {
    "vm_id": vms.c.vm_id,
    "architecture": vms.c.architecture,
    "boot_mode": vms.c.boot_mode,
    "client_token": vms.c.client_token,
    "creation_date": vms.c.creation_date,
    "image_id": vms.c.image_id,
    "keypair_name": vms.c.keypair_name,
    "launch_number": vms.c.launch_number,
    "private_ip": vms.c.address_lease,  # a terminated VM has none
    "public_ip": sa.func.coalesce(_LINKED.scalar_subquery(), vms.c.address_lease),  # the address in answers
    "product_code": engine.Child(
        vm_product_codes,
        vm_product_codes.c.product_code,
        vm_product_codes.c.vm_id,
        vms.c.vm_id,
        common=True,
    ),
    "reservation_id": vms.c.reservation_id,
    "root_device_name": vms.c.root_device_name,
    "security_group_id": _group(group_table.c.security_group_id),
    "security_group_name": _group(group_table.c.name),
    "state": vms.c.state,
    "state_reason": vms.c.state_reason,
    "subregion_name": vms.c.subregion_name,
    "tpm_enabled": vms.c.tpm_enabled,
    "vm_type": vms.c.vm_type,
    "link_delete_on_vm_deletion": _link("delete_on_vm_deletion"),
    "link_device_name": _link("device_name"),
    "link_date": _link("link_date"),
    "link_state": _link("state"),
    "link_volume_id": _link("volume_id"),
    **tags.fields(vms.c.vm_id),
}

_DERIVED = ("address_lease", "version")
_ORDER = engine.Order(vms.c.creation_date, vms.c.vm_id)
_OWN = vms.c.account_id == engine.CALLER
_FINDER = Finder(vms.select().where(_OWN), FIELDS, _ORDER)
_PAGE_FINDER = Finder(engine.page_rows(_ORDER, vms.c.version, sa.true()).where(_OWN), FIELDS, _ORDER)
_BY_IDS = vms.select().where(engine.is_among(vms.c.vm_id))
_STATE_FINDER = Finder(
    sa.select(vms.c.vm_id, vms.c.subregion_name, vms.c.state, vms.c.creation_date).where(_OWN), FIELDS, _ORDER
)
_BY_ID = vms.select().where(engine.is_wanted(vms.c.vm_id))
_CODES = (
    vm_product_codes.select()
    .where(engine.is_among(vm_product_codes.c.vm_id))
    .order_by(vm_product_codes.c.product_code)
)
_STILL = (engine.is_wanted(vms.c.vm_id), engine.is_among(vms.c.state))
_BOOTED_SECURELY = (
    vms.update()
    .where(*_STILL, vms.c.next_secure_boot != "none")
    .values({"secure_boot": vms.c.next_secure_boot, "next_secure_boot": "none"})
)
_SETTLE = (
    vms.update()
    .where(*_STILL)
    .values(
        state=sa.bindparam("new_state", type_=sa.String), state_reason=sa.bindparam("reason", type_=sa.Text)
    )
)


def insert(connection: sa.Connection, new: Sequence[Vm]) -> None:
    """Write new VMs with their security groups, but without their volumes. The number of statements does not depend on
    the number of VMs. Their private addresses stay theirs until they are terminated.

    Raises:
        sqlalchemy.exc.IntegrityError: an address is taken.
    """
    names = [column.name for column in vms.c if column.name not in _DERIVED]
    rows = [{name: getattr(vm, name) for name in names} | {"address_lease": vm.private_ip} for vm in new]
    connection.execute(vms.insert(), rows)
    codes = [(vm.vm_id, code) for vm in new for code in dict.fromkeys(vm.product_codes)]
    if codes:
        connection.execute(
            vm_product_codes.insert(), [{"vm_id": vm_id, "product_code": code} for vm_id, code in codes]
        )
    security_groups.add_vms(
        connection, {vm.vm_id: [group.security_group_id for group in vm.security_groups] for vm in new}
    )


def get(connection: sa.Connection, vm_id: str) -> Vm | None:
    """The VM of this id, of any account, with its volumes."""
    rows = connection.execute(_BY_ID, {"wanted": vm_id}).all()
    return next(iter(_vms(connection, rows)), None)


def owned(connection: sa.Connection, account_id: str, vm_id: str) -> Vm | None:
    """The account's VM of this id, with its volumes."""
    own = vms.select().where(vms.c.vm_id == vm_id, vms.c.account_id == account_id)
    return next(iter(_vms(connection, connection.execute(own).all())), None)


def all_owned(connection: sa.Connection, account_id: str, vm_ids: Collection[str]) -> dict[str, Vm]:
    """Those of the VMs that are the account's, with their volumes, by id."""
    rows: list[engine.AnyRow] = []
    for batch in engine.batches(vm_ids):
        own = vms.select().where(vms.c.vm_id.in_(batch), vms.c.account_id == account_id)
        rows += connection.execute(own)
    return {vm.vm_id: vm for vm in _vms(connection, rows)}


def find(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[Vm], bool]:
    """The account's VMs that satisfy the query, oldest first; and whether more remain."""
    rows, more = _FINDER.find(connection, query, caller=account_id)
    return _vms(connection, rows), more


def find_page(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[PageRow], bool]:
    """As `find`, with the page rows only."""
    return _PAGE_FINDER.find_page(connection, query, caller=account_id)


def read(connection: sa.Connection, vm_ids: Collection[str]) -> list[Vm]:
    """The VMs of these ids, of any account, with their volumes."""
    rows: list[engine.AnyRow] = []
    for batch in engine.batches(vm_ids):
        rows += connection.execute(_BY_IDS, {"among": batch})
    return _vms(connection, rows)


def find_states(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[VmStanding], bool]:
    """As `find`, with the states only."""
    rows, more = _STATE_FINDER.find(connection, query, caller=account_id)
    return [
        VmStanding(row.vm_id, row.subregion_name, VmState(row.state), row.creation_date) for row in rows
    ], more


def with_address(connection: sa.Connection, private_ip: str) -> Vm | None:
    """The VM that holds this address."""
    rows = connection.execute(vms.select().where(vms.c.address_lease == private_ip)).all()
    return next(iter(_vms(connection, rows)), None)


def of_client_token(connection: sa.Connection, account_id: str, client_token: str) -> list[Vm]:
    """The VMs of one launch that the account made with this token, in launch order."""
    rows = connection.execute(
        vms.select()
        .where(vms.c.account_id == account_id, vms.c.client_token == client_token)
        .order_by(vms.c.launch_number)
    ).all()
    return _vms(connection, rows)


def release_client_token(connection: sa.Connection, vm_ids: Sequence[str]) -> None:
    """Free the token of these VMs for another launch."""
    for batch in engine.batches(vm_ids):
        connection.execute(vms.update().where(vms.c.vm_id.in_(batch)).values(client_token=None))


def in_states(connection: sa.Connection, states: Collection[VmState]) -> list[Vm]:
    """All VMs in one of the states, of any account."""
    return _vms(connection, connection.execute(vms.select().where(vms.c.state.in_(states))).all())


def addresses(connection: sa.Connection) -> set[str]:
    """All private addresses that VMs hold."""
    return set(connection.scalars(sa.select(vms.c.address_lease).where(vms.c.address_lease.is_not(None))))


def all_ids(connection: sa.Connection) -> set[str]:
    """The ids of all VMs that are not terminated."""
    return set(connection.scalars(sa.select(vms.c.vm_id).where(vms.c.state != VmState.TERMINATED)))


def live(connection: sa.Connection, vm_ids: Collection[str]) -> set[str]:
    """Those of the ids that are of VMs that are not terminated."""
    key = vms.c.vm_id
    return engine.among(connection, sa.select(key).where(vms.c.state != VmState.TERMINATED), key, vm_ids)


def mac_addresses(connection: sa.Connection) -> set[str]:
    """The MAC addresses of all VMs that are not terminated."""
    return set(connection.scalars(sa.select(vms.c.mac_address).where(vms.c.state != VmState.TERMINATED)))


def set_state(connection: sa.Connection, vm_id: str, state: VmState, reason: str) -> None:
    """Record a state and its reason ("" for none)."""
    _update(connection, vm_id, state=state, state_reason=reason)


def settle(
    connection: sa.Connection, vm_id: str, passing: Collection[VmState], state: VmState, reason: str
) -> None:
    """Record a state, if the VM is still in one of the transitional ones. A running VM has applied the actions recorded
    for its next start."""
    still = {"wanted": vm_id, "among": list(passing)}
    if state == VmState.RUNNING:
        connection.execute(_BOOTED_SECURELY, still)
    connection.execute(_SETTLE, {**still, "new_state": state, "reason": reason})


def begin_transition(connection: sa.Connection, vm: Vm, state: VmState, reason: str = "") -> int:
    """Record the passing state of a transition, and return the VM's new generation, which names the workflow."""
    _update(connection, vm.vm_id, state=state, state_reason=reason, generation=vm.generation + 1)
    return vm.generation + 1


def begin_transitions(
    connection: sa.Connection, vm_ids: Collection[str], state: VmState, reason: str
) -> None:
    """As `begin_transition`, for many VMs: each generation grows by one."""
    values = {"state": state, "state_reason": reason, "generation": vms.c.generation + 1}
    for batch in engine.batches(vm_ids):
        connection.execute(vms.update().where(vms.c.vm_id.in_(batch)).values(values))


def set_terminated(connection: sa.Connection, vm_id: str, reason: str, now: datetime) -> None:
    """The VM is no more; its address is free, no public IP leads to it, and it is in no security group. It stays
    listed until `erase_terminated`."""
    public_ips.unlink_vm(connection, vm_id)
    security_groups.put_vm(connection, vm_id, ())
    _update(
        connection,
        vm_id,
        state=VmState.TERMINATED,
        state_reason=reason,
        termination_date=now,
        address_lease=None,
    )


def set_attributes(connection: sa.Connection, vm_id: str, attributes: dict[str, Any]) -> None:
    """Change attributes, named as the columns."""
    if attributes:
        _update(connection, vm_id, **attributes)


def erase_terminated(connection: sa.Connection, before: datetime) -> None:
    """Delete the VMs that were terminated before this date, and their tags."""
    old = sa.select(vms.c.vm_id).where(vms.c.termination_date < before)
    for vm_id in list(connection.scalars(old)):
        tags.erase(connection, vm_id)
        connection.execute(vms.delete().where(vms.c.vm_id == vm_id))


def _update(connection: sa.Connection, vm_id: str, **values: Any) -> None:
    connection.execute(vms.update().where(vms.c.vm_id == vm_id).values(**values))


def _vms(connection: sa.Connection, rows: Sequence[engine.AnyRow]) -> list[Vm]:
    ids = [row.vm_id for row in rows]
    if not ids:
        return []
    linked = volumes.of_vms(connection, ids)
    codes = _product_codes(connection, ids)
    groups = security_groups.of_vms(connection, ids)
    public = public_ips.of_vms(connection, ids)
    return [
        _vm(
            row,
            linked.get(row.vm_id, []),
            codes.get(row.vm_id, []),
            groups.get(row.vm_id, ()),
            public.get(row.vm_id),
        )
        for row in rows
    ]


def _product_codes(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for batch in engine.batches(ids):
        for row in connection.execute(_CODES, {"among": batch}):
            found.setdefault(row.vm_id, []).append(row.product_code)
    return found


def _vm(
    row: engine.AnyRow,
    linked: Sequence[Volume],
    codes: Sequence[str],
    groups: tuple[GroupName, ...],
    public_ip: str | None,
) -> Vm:
    columns: dict[str, Any] = row._asdict()
    for name in _DERIVED:
        del columns[name]
    return Vm(
        **columns
        | {
            "state": VmState(row.state),
            "product_codes": tuple(codes),
            "volumes": tuple(linked),
            "security_groups": groups,
            "public_ip": public_ip,
        }
    )
