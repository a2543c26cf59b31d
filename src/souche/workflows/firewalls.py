"""What each VM's guest lets in: worked out from its security groups and told to the hypervisor."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa

from souche import ids
from souche.compute.base import Firewalls
from souche.db import security_groups
from souche.model.firewall import Passage
from souche.model.security_groups import Rule
from souche.workflows.parts import Parts

Addresses = Mapping[str, Sequence[str]]
"""Of the members of groups, by group id."""


def follow_groups(parts: Parts, security_group_ids: Collection[str]) -> None:
    """Let the guests of all VMs that depend on these groups let in what the records say now."""
    _protect(parts, lambda connection: security_groups.letting_in(connection, security_group_ids))


def follow_vms(parts: Parts, vm_ids: Collection[str]) -> None:
    """Let the guests of these VMs let in what the records say now."""
    _protect(parts, lambda _connection: vm_ids)


def groups_of(parts: Parts, vm_id: str) -> list[str]:
    """The ids of the groups that a VM is in."""
    with parts.store.read() as connection:
        found = security_groups.of_vms(connection, [vm_id])
    return [group.security_group_id for group in found.get(vm_id, ())]


def _protect(parts: Parts, chosen: Callable[[sa.Connection], Collection[str]]) -> None:
    def wanted() -> Firewalls:
        with parts.store.read() as connection:
            return inbound(connection, chosen(connection))

    parts.hypervisor.protect(wanted)


def inbound(connection: sa.Connection, vm_ids: Collection[str]) -> Firewalls:
    """What each of the VMs lets in, as the records say."""
    groups = security_groups.of_vms(connection, vm_ids)
    rules = security_groups.rules_of(
        connection, {group.security_group_id for found in groups.values() for group in found}
    )
    members = {rule.source for of_group in rules.values() for rule in of_group if is_group(rule.source)}
    addresses = security_groups.addresses(connection, members)
    return {
        vm_id: passages(
            (rule for group in groups.get(vm_id, ()) for rule in rules.get(group.security_group_id, ())),
            addresses,
        )
        for vm_id in vm_ids
    }


def passages(rules: Iterable[Rule], addresses: Addresses) -> tuple[Passage, ...]:
    """The rules of all groups of a VM as one list: those for the same traffic together, members by their addresses."""
    sources: dict[Rule, dict[str, None]] = {}
    for rule in rules:
        traffic = Rule(rule.protocol, rule.from_port, rule.to_port, "")
        sources.setdefault(traffic, {}).update(dict.fromkeys(_sources(rule, addresses)))
    return tuple(
        Passage(traffic.protocol, traffic.from_port, traffic.to_port, tuple(found))
        for traffic, found in sources.items()
        if found
    )


def _sources(rule: Rule, addresses: Addresses) -> list[str]:
    if is_group(rule.source):
        return [f"{address}/32" for address in addresses.get(rule.source, ())]
    return [rule.source]


def is_group(source: str) -> bool:
    """Whether a rule's source is a group, and not an IP range."""
    return source.startswith(f"{ids.SECURITY_GROUP}-")
