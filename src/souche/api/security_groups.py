"""CreateSecurityGroup, ReadSecurityGroups, DeleteSecurityGroup, CreateSecurityGroupRule, DeleteSecurityGroupRule."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from souche import ids
from souche.api import tags
from souche.api.protocol import filters, pages
from souche.api.protocol.dispatch import Call
from souche.api.protocol.request_errors import NoSuchNet
from souche.app import security_groups
from souche.app.security_groups import GroupsPage, Member, RuleRequest
from souche.model.query import Position
from souche.model.security_groups import GroupName, SecurityGroup
from souche.model.tags import Tag
from souche.value_refusals import BadValue, IncompatibleParameters, MissingParameter

Request: TypeAlias = Mapping[str, Any]
Members: TypeAlias = Mapping[str, GroupName]
Traffic: TypeAlias = tuple[str, int, int]

# The parameters of a single rule, given without the list `Rules`.
ONE_RULE = ("FromPortRange", "ToPortRange", "IpProtocol", "IpRange")


def create_security_group(call: Call) -> Mapping[str, object]:
    """Make a group, outside of Nets."""
    request = cast("Request", call.request)
    if request.get("NetId"):
        raise NoSuchNet(net_id=request["NetId"])
    group = security_groups.create(
        call.region, call.who, request["SecurityGroupName"], request["Description"]
    )
    return {"SecurityGroup": view(group, (), {})}


def read_security_groups(call: Call) -> Mapping[str, object]:
    """The caller's groups with their rules."""
    request = cast("Request", call.request)
    query = pages.query(request, filters.conditions("ReadSecurityGroups", request))
    found = security_groups.find(call.region, call.who, query)
    return {
        "SecurityGroups": _views(found),
        **pages.following(found.page.resources, _position, more=found.page.more),
    }


def _position(group: SecurityGroup) -> Position:
    return Position(group.creation_date, group.security_group_id)


def delete_security_group(call: Call) -> Mapping[str, object]:
    """DeleteSecurityGroup: by id, or by name when no id is given."""
    if security_group_id := call.request.get("SecurityGroupId"):
        security_groups.delete_by_id(call.region, call.who, str(security_group_id))
    elif name := call.request.get("SecurityGroupName"):
        security_groups.delete_by_name(call.region, call.who, str(name))
    else:
        raise MissingParameter(parameter="SecurityGroupId")
    return {}


def create_security_group_rule(call: Call) -> Mapping[str, object]:
    """Add rules."""
    request = cast("Request", call.request)
    wanted = _requests(request, "SecurityGroupNameToLink", "SecurityGroupAccountIdToLink")
    group = security_groups.add_rules(
        call.region, call.who, request["SecurityGroupId"], request["Flow"], wanted
    )
    return {"SecurityGroup": _views(security_groups.shown(call.region, group))[0]}


def delete_security_group_rule(call: Call) -> Mapping[str, object]:
    """Remove rules."""
    request = cast("Request", call.request)
    wanted = _requests(request, "SecurityGroupNameToUnlink", "SecurityGroupAccountIdToUnlink")
    group = security_groups.remove_rules(
        call.region, call.who, request["SecurityGroupId"], request["Flow"], wanted
    )
    return {"SecurityGroup": _views(security_groups.shown(call.region, group))[0]}


def _requests(request: Request, member: str, account: str) -> list[RuleRequest]:
    """The rules of a request: those of its list, or the one in its own parameters."""
    if rules := request.get("Rules"):
        for name in (*ONE_RULE, member):
            if name in request:
                raise IncompatibleParameters(reason=f"Rules and {name}")
        return [_listed(rule) for rule in rules]
    one = RuleRequest(
        protocol=request.get("IpProtocol"),
        from_port=request.get("FromPortRange"),
        to_port=request.get("ToPortRange"),
        ip_ranges=(request["IpRange"],) if request.get("IpRange") else (),
        members=(Member(request[member], request.get(account)),) if request.get(member) else (),
    )
    return [one]


def _listed(rule: Request) -> RuleRequest:
    if rule.get("ServiceIds"):
        raise BadValue(parameter="Rules.ServiceIds", reason="services are for Nets only")
    return RuleRequest(
        protocol=rule.get("IpProtocol"),
        from_port=rule.get("FromPortRange"),
        to_port=rule.get("ToPortRange"),
        ip_ranges=tuple(rule.get("IpRanges", ())),
        members=tuple(_members(rule.get("SecurityGroupsMembers", ()))),
    )


def _members(listed: Iterable[Request]) -> Iterable[Member]:
    for each in listed:
        group = each.get("SecurityGroupId") or each.get("SecurityGroupName")
        if not group:
            raise MissingParameter(parameter="Rules.SecurityGroupsMembers.SecurityGroupId")
        yield Member(group, each.get("AccountId"))


def _views(found: GroupsPage) -> list[dict[str, object]]:
    page = found.page
    return [
        view(group, page.tags.get(group.security_group_id, ()), found.members) for group in page.resources
    ]


def view(group: SecurityGroup, tagged: Sequence[Tag], members: Members) -> dict[str, object]:
    """A group as the API shows it. Outside of Nets there are no outbound rules: everything may leave."""
    return {
        "AccountId": group.account_id,
        "Description": group.description,
        "InboundRules": _rule_views(group, members),
        "OutboundRules": [],
        "SecurityGroupId": group.security_group_id,
        "SecurityGroupName": group.name,
        "Tags": tags.resource_tags(tagged),
    }


def _rule_views(group: SecurityGroup, members: Members) -> list[dict[str, object]]:
    """Rules for the same traffic are shown as one, with all of their sources."""
    together: dict[Traffic, list[str]] = {}
    for rule in group.inbound:
        together.setdefault((rule.protocol, rule.from_port, rule.to_port), []).append(rule.source)
    return [
        {
            "SecurityGroupRuleId": _rule_id(group.security_group_id, traffic),
            "IpProtocol": traffic[0],
            "FromPortRange": traffic[1],
            "ToPortRange": traffic[2],
            **_source_views(sources, members),
        }
        for traffic, sources in together.items()
    ]


def _rule_id(security_group_id: str, traffic: Traffic) -> str:
    """The id of a shown rule. No action takes one, so none is stored: it is derived from the group's id and the
    traffic, and stays while sources change."""
    digest = hashlib.sha256(f"{security_group_id}/{traffic}".encode()).hexdigest()
    return f"{ids.SECURITY_GROUP_RULE}-{digest[:8]}"


def _source_views(sources: Sequence[str], members: Members) -> dict[str, object]:
    ranges = [source for source in sources if source not in members]
    groups = [_member_view(members[source]) for source in sources if source in members]
    return ({"IpRanges": ranges} if ranges else {}) | ({"SecurityGroupsMembers": groups} if groups else {})


def _member_view(group: GroupName) -> dict[str, object]:
    return {
        "AccountId": group.account_id,
        "SecurityGroupId": group.security_group_id,
        "SecurityGroupName": group.name,
    }
