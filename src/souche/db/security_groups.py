"""Security groups, their rules, and their VMs."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa

from souche.db import query as engine
from souche.db import tags
from souche.db.finder import Finder
from souche.db.schema import security_group_rules, security_groups, vm_security_groups, vms
from souche.model.query import Query
from souche.model.security_groups import GroupName, Rule, SecurityGroup
from souche.states import VmState

GONE = (VmState.SHUTTING_DOWN, VmState.TERMINATED)

_members = security_groups.alias("members")
_rules_with_members = security_group_rules.join(
    _members, _members.c.security_group_id == security_group_rules.c.source
)


def _rule(column: str) -> engine.Child:
    rules = security_group_rules
    return engine.Child(
        rules, rules.c[column], rules.c.security_group_id, security_groups.c.security_group_id, common=True
    )


def _member(column: str) -> engine.Child:
    return engine.Child(
        _rules_with_members,
        _members.c[column],
        security_group_rules.c.security_group_id,
        security_groups.c.security_group_id,
    )


FIELDS: engine.Fields = {
    "security_group_id": security_groups.c.security_group_id,
    "name": security_groups.c.name,
    "description": security_groups.c.description,
    "rule_protocol": _rule("protocol"),
    "rule_from_port": _rule("from_port"),
    "rule_to_port": _rule("to_port"),
    "rule_source": _rule("source"),
    "member_name": _member("name"),
    "member_account_id": _member("account_id"),
    **tags.fields(security_groups.c.security_group_id),
}

_ORDER = engine.Order(security_groups.c.creation_date, security_groups.c.security_group_id)
_FINDER = Finder(
    security_groups.select().where(security_groups.c.account_id == engine.CALLER), FIELDS, _ORDER
)
_OF_VMS = (
    sa.select(vm_security_groups.c.vm_id, security_groups)
    .select_from(vm_security_groups.join(security_groups))
    .where(engine.is_among(vm_security_groups.c.vm_id))
    .order_by(security_groups.c.security_group_id)
)
_RULES = (
    security_group_rules.select()
    .where(engine.is_among(security_group_rules.c.security_group_id))
    .order_by(security_group_rules.c.position)
)


def insert(connection: sa.Connection, group: SecurityGroup) -> None:
    """Write a new group with its rules.

    Raises:
        sqlalchemy.exc.IntegrityError: the account has a group of the name.
    """
    connection.execute(
        security_groups.insert().values(
            {column.name: getattr(group, column.name) for column in security_groups.c}
        )
    )
    add_rules(connection, group.security_group_id, group.inbound)


def get(connection: sa.Connection, security_group_id: str) -> SecurityGroup | None:
    """The group of this id, of any account."""
    statement = security_groups.select().where(security_groups.c.security_group_id == security_group_id)
    return next(iter(_groups(connection, connection.execute(statement).all())), None)


def owned(connection: sa.Connection, account_id: str, security_group_id: str) -> SecurityGroup | None:
    """The account's group of this id."""
    own = security_groups.select().where(
        security_groups.c.security_group_id == security_group_id, security_groups.c.account_id == account_id
    )
    return next(iter(_groups(connection, connection.execute(own).all())), None)


def named(connection: sa.Connection, account_id: str, name: str) -> SecurityGroup | None:
    """The account's group of this name."""
    mine = (security_groups.c.account_id == account_id, security_groups.c.name == name)
    return next(
        iter(_groups(connection, connection.execute(security_groups.select().where(*mine)).all())), None
    )


def find(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[SecurityGroup], bool]:
    """The account's groups that satisfy the query, oldest first; and whether more remain."""
    rows, more = _FINDER.find(connection, query, caller=account_id)
    return _groups(connection, rows), more


def erase(connection: sa.Connection, security_group_id: str) -> None:
    """Delete a group with its rules; gone already is no error."""
    connection.execute(
        security_groups.delete().where(security_groups.c.security_group_id == security_group_id)
    )


def add_rules(connection: sa.Connection, security_group_id: str, rules: Iterable[Rule]) -> None:
    """Add rules after the present ones; the group must not have them yet."""
    table = security_group_rules
    last = sa.select(sa.func.max(table.c.position)).where(table.c.security_group_id == security_group_id)
    start = (connection.scalar(last) or 0) + 1
    for position, rule in enumerate(rules, start):
        connection.execute(table.insert().values(**_key(security_group_id, rule), position=position))


def remove_rule(connection: sa.Connection, security_group_id: str, rule: Rule) -> None:
    """Delete a rule; gone already is no error."""
    key = [security_group_rules.c[name] == value for name, value in _key(security_group_id, rule).items()]
    connection.execute(security_group_rules.delete().where(*key))


def _key(security_group_id: str, rule: Rule) -> dict[str, str | int]:
    return {
        "security_group_id": security_group_id,
        "protocol": rule.protocol,
        "from_port": rule.from_port,
        "to_port": rule.to_port,
        "source": rule.source,
    }


def naming(connection: sa.Connection, security_group_id: str) -> str | None:
    """The id of another group with a rule that names this one."""
    table = security_group_rules
    return connection.scalar(
        sa.select(table.c.security_group_id)
        .where(table.c.source == security_group_id, table.c.security_group_id != security_group_id)
        .limit(1)
    )


def names(connection: sa.Connection, security_group_ids: Collection[str]) -> dict[str, GroupName]:
    """The names of groups, by id."""
    table, found = security_groups, {}
    for batch in engine.batches(security_group_ids):
        for row in connection.execute(table.select().where(table.c.security_group_id.in_(batch))):
            found[row.security_group_id] = GroupName(row.security_group_id, row.name, row.account_id)
    return found


def put_vm(connection: sa.Connection, vm_id: str, security_group_ids: Iterable[str]) -> None:
    """Put a VM into exactly these groups."""
    connection.execute(vm_security_groups.delete().where(vm_security_groups.c.vm_id == vm_id))
    add_vms(connection, {vm_id: security_group_ids})


def add_vms(connection: sa.Connection, groups: Mapping[str, Iterable[str]]) -> None:
    """Add VMs without groups to groups, by VM id."""
    rows = [
        {"vm_id": vm_id, "security_group_id": security_group_id}
        for vm_id, of_vm in groups.items()
        for security_group_id in dict.fromkeys(of_vm)
    ]
    if rows:
        connection.execute(vm_security_groups.insert(), rows)


def of_vms(connection: sa.Connection, vm_ids: Collection[str]) -> dict[str, tuple[GroupName, ...]]:
    """The groups that each of the VMs is in, by VM id; in the order of their ids."""
    found: dict[str, list[GroupName]] = {}
    for batch in engine.batches(vm_ids):
        for row in connection.execute(_OF_VMS, {"among": batch}):
            name = GroupName(row.security_group_id, row.name, row.account_id)
            found.setdefault(row.vm_id, []).append(name)
    return {vm_id: tuple(groups) for vm_id, groups in found.items()}


def vm_in(connection: sa.Connection, security_group_id: str) -> str | None:
    """The id of a VM that is in the group, and not terminated."""
    row = connection.execute(_living([security_group_id]).limit(1)).first()
    return None if row is None else row.vm_id


def _living(security_group_ids: Collection[str]) -> sa.Select[tuple[str]]:
    return (
        sa.select(vms.c.vm_id)
        .select_from(vm_security_groups.join(vms))
        .where(vm_security_groups.c.security_group_id.in_(security_group_ids), vms.c.state.not_in(GONE))
    )


def _groups(connection: sa.Connection, rows: Sequence[engine.AnyRow]) -> list[SecurityGroup]:
    rules = rules_of(connection, [row.security_group_id for row in rows])
    return [
        SecurityGroup(
            security_group_id=row.security_group_id,
            account_id=row.account_id,
            name=row.name,
            description=row.description,
            creation_date=row.creation_date,
            inbound=rules.get(row.security_group_id, ()),
        )
        for row in rows
    ]


def rules_of(
    connection: sa.Connection, security_group_ids: Collection[str]
) -> Mapping[str, tuple[Rule, ...]]:
    """The rules of each of the groups, by id, in their order."""
    found: dict[str, list[Rule]] = {}
    for batch in engine.batches(security_group_ids):
        for row in connection.execute(_RULES, {"among": batch}):
            rule = Rule(row.protocol, row.from_port, row.to_port, row.source)
            found.setdefault(row.security_group_id, []).append(rule)
    return {security_group_id: tuple(rules) for security_group_id, rules in found.items()}
