"""Security groups outside of Nets: create, change, find and delete.

Only inbound traffic has rules; outbound rules are for Nets (specification, CreateSecurityGroupRule). Every account has
the group `default`, created when it is first needed. It allows its own members, and SSH and ping from the region's
host, so that the first VM can be reached immediately (see `_default_rules`).
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, cast, get_args

from souche import ids
from souche.app import quotas
from souche.app.context import lookup
from souche.app.context.page import Page
from souche.app.context.region import Region, Work
from souche.db import security_groups, tags
from souche.db.transactions import Transaction
from souche.model.accounts import Principal
from souche.model.firewall import ANY, Protocol
from souche.model.operations import Operation
from souche.model.query import Query
from souche.model.security_groups import DEFAULT_NAME, GroupName, Rule, SecurityGroup
from souche.operations.firewalls import ApplySecurityGroups, apply_security_groups
from souche.refusals import (
    NoSuchRule,
    NoSuchSecurityGroup,
    NoSuchSecurityGroupToChange,
    ReservedSecurityGroup,
    RuleTaken,
    SecurityGroupInUse,
    SecurityGroupNamed,
    SecurityGroupNameTaken,
)
from souche.value_refusals import (
    BadIpRange,
    BadPorts,
    BadProtocol,
    BadSecurityGroupDescription,
    BadSecurityGroupName,
    BadValue,
    MissingParameter,
)
from souche.words import Term

# Specification, CreateSecurityGroup. Only the description may have accented letters.
NAME = re.compile(r"(?!sg-)[a-zA-Z0-9 _.\-:/()#,@\[\]+=&;{}!$*]{1,255}")
DESCRIPTION = re.compile(r"[a-zA-Z0-9À-ÖØ-öø-ÿ _.\-:/()#,@\[\]+=&;{}!$*]{1,255}")
CIDR = re.compile(r"[0-9.]+(/[0-9]{1,2})?")
PORTS: Final = range(65_535 + 1)
ICMP_NUMBERS: Final = range(ANY, 255 + 1)
MAX_RULES: Final = 1000  # ours: it bounds a VM's firewall
INBOUND: Final = "Inbound"
APPLY_WAIT_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Member:
    """A group, by its id or its name, whose members a rule allows."""

    group: str
    account_id: str | None = None


@dataclass(frozen=True)
class RuleRequest:
    """A requested rule, for several sources at once; None for omitted fields."""

    protocol: str | None
    from_port: int | None
    to_port: int | None
    ip_ranges: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()


def create(region: Region, who: Principal, name: str, description: str) -> SecurityGroup:
    """Make a group without rules.

    Raises:
        BadSecurityGroupName, BadSecurityGroupDescription, SecurityGroupNameTaken, TooManySecurityGroups.
    """
    if not NAME.fullmatch(name):
        raise BadSecurityGroupName(name=name)
    if not DESCRIPTION.fullmatch(description):
        raise BadSecurityGroupDescription(description=description)
    with region.begin() as work:
        default(region, work, who)
        if security_groups.named(work.connection, who.account_id, name) is not None:
            raise SecurityGroupNameTaken(name=name)
        quotas.check(work, who, quotas.of_security_group())
        group = _new(region, who, name, description)
        security_groups.insert(work.connection, group)
    return group


def default(region: Region, work: Work, who: Principal) -> SecurityGroup:
    """The account's default group, made if it is missing. It counts for the quota."""
    found = security_groups.named(work.connection, who.account_id, DEFAULT_NAME)
    if found is None:
        found = _new(region, who, DEFAULT_NAME, "Default security group", _default_rules(region))
        security_groups.insert(work.connection, found)
    return found


def _new(
    region: Region,
    who: Principal,
    name: str,
    description: str,
    rules: Sequence[tuple[Protocol, int, int, str]] = (),
) -> SecurityGroup:
    security_group_id = region.ids.new(ids.SECURITY_GROUP)
    return SecurityGroup(
        security_group_id=security_group_id,
        account_id=who.account_id,
        name=name,
        description=description,
        creation_date=region.clock.now(),
        inbound=tuple(
            Rule(protocol, first, last, source or security_group_id)
            for protocol, first, last, source in rules
        ),
    )


def _default_rules(region: Region) -> list[tuple[Protocol, int, int, str]]:
    """From members (""), everything, as on the real service; from the region's host, SSH and ping. The host has the
    guests' gateway address when it speaks to them. They are rules as any other, and can be deleted."""
    host = f"{region.network.gateway_ip}/32"
    return [("-1", ANY, ANY, ""), ("tcp", 22, 22, host), ("icmp", ANY, ANY, host)]


def add_rules(
    region: Region, who: Principal, security_group_id: str, flow: str, requests: Sequence[RuleRequest]
) -> SecurityGroup:
    """Add rules. The answer waits a little for the firewalls of running guests.

    Raises:
        NoSuchSecurityGroupToChange, NoSuchSecurityGroup, BadValue, MissingParameter, BadProtocol, BadPorts, BadIpRange,
        RuleTaken.
    """
    _check_flow(flow)
    with region.begin() as work:
        group = _to_change(work.connection, who, security_group_id)
        rules = _rules(work.connection, who, requests)
        numbers = Counter([*group.inbound, *rules])
        for rule in rules:
            if numbers[rule] > 1:
                raise RuleTaken(security_group_id=security_group_id, source=rule.source)
        _check_number(len(numbers))
        security_groups.add_rules(work.connection, security_group_id, rules)
        operation = request_apply(region, work, who, security_group_id)
        group = _to_change(work.connection, who, security_group_id)
    wait_applied(region, operation)
    return group


def remove_rules(
    region: Region, who: Principal, security_group_id: str, flow: str, requests: Sequence[RuleRequest]
) -> SecurityGroup:
    """Remove all of the rules, or none. Established connections may continue.

    Raises:
        NoSuchSecurityGroupToChange, NoSuchSecurityGroup, NoSuchRule, BadValue, MissingParameter, BadProtocol, BadPorts,
        BadIpRange.
    """
    _check_flow(flow)
    with region.begin() as work:
        group = _to_change(work.connection, who, security_group_id)
        present = frozenset(group.inbound)
        for rule in _rules(work.connection, who, requests):
            if rule not in present:
                raise NoSuchRule(security_group_id=security_group_id, source=rule.source)
            security_groups.remove_rule(work.connection, security_group_id, rule)
        operation = request_apply(region, work, who, security_group_id)
        group = _to_change(work.connection, who, security_group_id)
    wait_applied(region, operation)
    return group


def _to_change(connection: Transaction, who: Principal, security_group_id: str) -> SecurityGroup:
    """The group to change. If it is unknown, the error code differs from that of a group which a rule names (reference
    section 12).

    Raises:
        NoSuchSecurityGroupToChange, WrongIdPrefix, MalformedId.
    """
    try:
        return lookup.own_security_group(connection, who, security_group_id)
    except NoSuchSecurityGroup as error:
        raise NoSuchSecurityGroupToChange(**error.fields) from error


def _check_flow(flow: str) -> None:
    if flow != INBOUND:
        reason = "Outbound is for Nets only" if flow == "Outbound" else "Inbound is expected"
        raise BadValue(parameter=Term.FLOW, reason=reason)


def _rules(connection: Transaction, who: Principal, requests: Iterable[RuleRequest]) -> list[Rule]:
    """One rule for each source of each request. The sources are counted first, because looking them up blocks all other
    writers."""
    requests = list(requests)
    _check_number(sum(len(request.ip_ranges) + len(request.members) for request in requests))
    found = []
    for request in requests:
        protocol, first, last = _traffic(request)
        members = [_member(connection, who, member) for member in request.members]
        sources = [*map(_checked_range, request.ip_ranges), *members]
        if not sources:
            raise MissingParameter(parameter=Term.IP_RANGE)
        found += [Rule(protocol, first, last, source) for source in sources]
    return found


def _check_number(number: int) -> None:
    if number > MAX_RULES:
        raise BadValue(parameter=Term.RULES, reason=f"a security group has at most {MAX_RULES} rules")


def _traffic(request: RuleRequest) -> tuple[Protocol, int, int]:
    protocol = "-1" if request.protocol is None else request.protocol.lower()
    if protocol not in get_args(Protocol):
        raise BadProtocol(protocol=request.protocol)
    if protocol == "-1":
        return "-1", ANY, ANY
    if protocol == "icmp":
        first, last = _or_any(request.from_port), _or_any(request.to_port)
        _check_ports(first, last, first in ICMP_NUMBERS and last in ICMP_NUMBERS, "-1 to 255 are expected")
        return "icmp", first, last
    first, last = _port(request.from_port, Term.FROM_PORT), _port(request.to_port, Term.TO_PORT)
    in_order = first in PORTS and last in PORTS and first <= last
    _check_ports(first, last, in_order, f"0 to {PORTS[-1]} are expected, in order")
    return cast("Protocol", protocol), first, last


def _or_any(number: int | None) -> int:
    return ANY if number is None else number


def _port(number: int | None, parameter: Term) -> int:
    if number is None:
        raise MissingParameter(parameter=parameter)
    return number


def _check_ports(first: int, last: int, valid: object, reason: str) -> None:
    if not valid:
        raise BadPorts(first=first, last=last, reason=reason)


def _checked_range(text: str) -> str:
    """An IPv4 range as it was given; a lone address is a range of one (specification, ReadSecurityGroups)."""
    try:
        ipaddress.IPv4Network(text, strict=False)
    except ValueError as error:
        raise BadIpRange(ip_range=text, reason=str(error)) from error
    if not CIDR.fullmatch(text):
        raise BadIpRange(ip_range=text, reason="an IPv4 range in CIDR notation is expected")
    return text


def _member(connection: Transaction, who: Principal, member: Member) -> str:
    """The id of the group. Groups of other accounts are invisible, so rules cannot name them."""
    if member.account_id not in (None, who.account_id):
        raise NoSuchSecurityGroup(security_group=member.group)
    if member.group.startswith(f"{ids.SECURITY_GROUP}-"):
        return lookup.own_security_group(connection, who, member.group).security_group_id
    return _named(connection, who, member.group).security_group_id


def _named(connection: Transaction, who: Principal, name: str) -> SecurityGroup:
    found = security_groups.named(connection, who.account_id, name)
    if found is None:
        raise NoSuchSecurityGroup(security_group=name)
    return found


def chosen(
    region: Region, work: Work, who: Principal, group_ids: Collection[str], names: Collection[str]
) -> tuple[GroupName, ...]:
    """The groups of a VM, by ids and names, in the order of their ids; the default one if none is named.

    Raises:
        NoSuchSecurityGroup, WrongIdPrefix, MalformedId.
    """
    default_group = default(region, work, who)
    once = dict.fromkeys
    found = [lookup.own_security_group(work.connection, who, group_id) for group_id in once(group_ids)]
    found += [_named(work.connection, who, name) for name in once(names)]
    each = {group.security_group_id: group for group in found or [default_group]}
    return tuple(
        GroupName(group_id, group.name, group.account_id) for group_id, group in sorted(each.items())
    )


def delete_by_id(region: Region, who: Principal, security_group_id: str) -> None:
    """Delete a group that has no VM, and that no other group's rule names.

    Raises:
        NoSuchSecurityGroupToChange, ReservedSecurityGroup, SecurityGroupInUse, SecurityGroupNamed.
    """
    with region.begin() as work:
        _delete(work, _to_change(work.connection, who, security_group_id))


def delete_by_name(region: Region, who: Principal, name: str) -> None:
    """As `delete_by_id`."""
    with region.begin() as work:
        default(region, work, who)
        group = security_groups.named(work.connection, who.account_id, name)
        if group is None:
            raise NoSuchSecurityGroupToChange(security_group=name)
        _delete(work, group)


def _delete(work: Work, group: SecurityGroup) -> None:
    if group.name == DEFAULT_NAME:
        raise ReservedSecurityGroup(security_group_id=group.security_group_id)
    if vm_id := security_groups.vm_in(work.connection, group.security_group_id):
        raise SecurityGroupInUse(security_group_id=group.security_group_id, vm_id=vm_id)
    if naming_id := security_groups.naming(work.connection, group.security_group_id):
        raise SecurityGroupNamed(security_group_id=group.security_group_id, naming_id=naming_id)
    tags.erase(work.connection, group.security_group_id)
    security_groups.erase(work.connection, group.security_group_id)


@dataclass(frozen=True)
class GroupsPage:
    """A page of groups, and the names of the groups in their rules, by id."""

    page: Page[SecurityGroup]
    members: dict[str, GroupName]


def find(region: Region, who: Principal, query: Query) -> GroupsPage:
    """The caller's groups, oldest first. The default one is made if it is missing."""
    _ensure_default(region, who)
    with region.store.read() as connection:
        page, more = security_groups.find(connection, who.account_id, query)
        tagged = tags.of_resources(connection, [group.security_group_id for group in page])
        sources = {rule.source for group in page for rule in group.inbound}
        return GroupsPage(Page(page, tagged, more), security_groups.names(connection, sources))


def shown(region: Region, group: SecurityGroup) -> GroupsPage:
    """One group as `find` gives it."""
    with region.store.read() as connection:
        tagged = tags.of_resources(connection, [group.security_group_id])
        sources = {rule.source for rule in group.inbound}
        return GroupsPage(Page([group], tagged, more=False), security_groups.names(connection, sources))


def _ensure_default(region: Region, who: Principal) -> None:
    with region.store.read() as connection:
        known = security_groups.named(connection, who.account_id, DEFAULT_NAME)
    if known is None and not region.dry_run:
        with region.begin() as work:
            default(region, work, who)


def request_apply(region: Region, work: Work, who: Principal, security_group_id: str) -> Operation:
    """Request an update of the firewalls that depend on this group's rules."""
    return _request(region, work, who, ApplySecurityGroups(security_group_ids=(security_group_id,)))


def request_regroup(region: Region, work: Work, who: Principal, vm_id: str) -> Operation:
    """Request that a VM's guest moves to its present groups."""
    return _request(region, work, who, ApplySecurityGroups(vm_id=vm_id))


def _request(region: Region, work: Work, who: Principal, params: ApplySecurityGroups) -> Operation:
    operation = apply_security_groups(params, who.account_id, region.ids.serial())
    work.operations.append(operation)
    return operation


def wait_applied(region: Region, operation: Operation) -> None:
    """Wait a little for the firewalls, so that the caller's next packet meets them."""
    if not region.dry_run:
        region.workflows.wait(operation.operation_id, APPLY_WAIT_SECONDS)
