"""Updates the hypervisor with the security groups of guests, their rules, and public IPs on record.

The work depends on the changed guest or group, not on the number of a group's members: the hypervisor itself knows who
is in a group.
"""

from collections.abc import Callable, Collection

from souche.compute.base import Firewalls
from souche.db import public_ips, security_groups, vms
from souche.db.transactions import Transaction
from souche.model.security_groups import Rule
from souche.workflows.parts import Parts


def follow_groups(parts: Parts, security_group_ids: Collection[str]) -> None:
    """Update the rules of these groups."""
    _protect(
        parts,
        lambda connection: Firewalls(groups=_rules(connection, security_group_ids)),
    )


def follow_vms(parts: Parts, vm_ids: Collection[str]) -> None:
    """Update the groups and the public IPs of the guests of these VMs."""
    _protect(parts, lambda connection: _of_vms(connection, vm_ids))


def follow_all(parts: Parts) -> None:
    """Rebuild the firewalls of the whole region from the records."""
    _protect(parts, lambda connection: _of_vms(connection, vms.all_ids(connection), from_scratch=True))


def recorded(connection: Transaction) -> Firewalls:
    """The wanted firewalls of the whole region."""
    return _of_vms(connection, vms.all_ids(connection))


def _protect(parts: Parts, look: Callable[[Transaction], Firewalls]) -> None:
    def wanted() -> Firewalls:
        with parts.store.read() as connection:
            return look(connection)

    parts.hypervisor.protect(wanted)


def _of_vms(connection: Transaction, vm_ids: Collection[str], *, from_scratch: bool = False) -> Firewalls:
    found = security_groups.of_vms(connection, vm_ids)
    groups = {vm_id: [group.security_group_id for group in found.get(vm_id, ())] for vm_id in vm_ids}
    used = {group_id for of_vm in groups.values() for group_id in of_vm}
    return Firewalls(
        groups, _rules(connection, used), from_scratch, public_ips=public_ips.of_vms(connection, vm_ids)
    )


def _rules(connection: Transaction, security_group_ids: Collection[str]) -> dict[str, tuple[Rule, ...]]:
    """The rules of all these groups; a group without rules admits nothing."""
    found = security_groups.rules_of(connection, security_group_ids)
    return {group_id: found.get(group_id, ()) for group_id in security_group_ids}
