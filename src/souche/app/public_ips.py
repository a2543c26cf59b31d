"""Public IPs outside of Nets: held by accounts, and linked to VMs.

A VM has one of them at most, and loses it when it stops (specification, LinkPublicIp), unless its tag
`osc.fcu.eip.auto-attach` names the address: then each launch and each start links it again.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from souche import ids
from souche.app import quotas
from souche.app.context import lookup
from souche.app.context.page import Page
from souche.app.context.region import Region, Work
from souche.db import public_ips, tags
from souche.db.transactions import Transaction
from souche.model.accounts import Principal
from souche.model.operations import Operation
from souche.model.public_ips import PublicIp
from souche.model.query import Query
from souche.model.vms import Vm
from souche.operations.firewalls import apply_public_ips
from souche.quota_refusals import NoCapacity
from souche.refusals import NoSuchPublicIp, NoSuchPublicIpLink, PublicIpInUse, WrongVmState
from souche.states import VmState
from souche.value_refusals import BadValue, IncompatibleParameters, MissingParameter
from souche.words import Phrase, Term

AUTO_ATTACH: Final = "osc.fcu.eip.auto-attach"
APPLY_WAIT_SECONDS: Final = 5.0
GOING: Final = (VmState.SHUTTING_DOWN, VmState.TERMINATED)


@dataclass(frozen=True)
class Link:
    """Link a public IP, named by its address or its id, to a VM. `allow_relink`: also if it is linked to another
    one."""

    vm_id: str | None
    public_ip: str | None = None
    public_ip_id: str | None = None
    private_ip: str | None = None
    allow_relink: bool = True


def create(region: Region, who: Principal) -> PublicIp:
    """Allocate the first free address of the region's public range to the account.

    Raises:
        TooManyPublicIps. NoCapacity: all are taken.
    """
    with region.begin() as work:
        quotas.check(work, who, quotas.of_public_ip())
        made = PublicIp(
            public_ip_id=region.ids.new(ids.PUBLIC_IP),
            account_id=who.account_id,
            public_ip=_free_address(region, work.connection),
            creation_date=region.clock.now(),
        )
        public_ips.insert(work.connection, made)
    return made


def _free_address(region: Region, connection: Transaction) -> str:
    held = public_ips.addresses(connection)
    for address in ipaddress.IPv4Network(region.public_range).hosts():
        if str(address) not in held:
            return str(address)
    raise NoCapacity(reason=f"all addresses of {region.public_range} are in use")


def find(region: Region, who: Principal, query: Query) -> Page[PublicIp]:
    """The caller's public IPs, oldest first."""
    with region.store.read() as connection:
        page, more = public_ips.find(connection, who.account_id, query)
        tagged = tags.of_resources(connection, [each.public_ip_id for each in page])
    return Page(page, tagged, more)


def link(region: Region, who: Principal, command: Link) -> str:
    """Link a public IP to a VM, replacing the VM's present one. Returns the id of the link.

    Raises:
        MissingParameter, IncompatibleParameters, BadValue, NoSuchVm, NoSuchPublicIp, WrongVmState, PublicIpInUse.
    """
    if command.vm_id is None:
        raise MissingParameter(parameter=Term.VM_ID)
    with region.begin() as work:
        vm = lookup.own_vm(work.connection, who, command.vm_id)
        wanted = _named(work.connection, who, command.public_ip, command.public_ip_id)
        _check_linkable(vm, command)
        before = wanted.link
        if before is not None and before.vm_id == vm.vm_id:
            return before.link_id
        if before is not None and not command.allow_relink:
            raise PublicIpInUse(public_ip=wanted.public_ip, vm_id=before.vm_id)
        link_id = region.ids.new(ids.PUBLIC_IP_LINK)
        public_ips.link(work.connection, wanted.public_ip_id, vm.vm_id, link_id)
        operation = _request(region, work, who, [*([before.vm_id] if before else []), vm.vm_id])
    _wait(region, operation)
    return link_id


def _check_linkable(vm: Vm, command: Link) -> None:
    if vm.state in GOING:
        raise WrongVmState(vm_id=vm.vm_id, state=vm.state, reason="no public IP can be linked to it")
    if vm.state == VmState.STOPPING:
        raise WrongVmState(
            vm_id=vm.vm_id, state=vm.state, reason="its public IP is unlinked when it has stopped"
        ).while_passing(vm.vm_id)
    if command.private_ip not in (None, vm.private_ip):
        raise BadValue(parameter=Term.PRIVATE_IP, reason=f"the VM has only the address {vm.private_ip}")


def unlink(region: Region, who: Principal, public_ip: str | None, link_id: str | None) -> None:
    """Unlink a public IP, named by its address or its link. Established connections may continue.

    Raises:
        MissingParameter, IncompatibleParameters, BadValue, NoSuchPublicIp, NoSuchPublicIpLink.
    """
    _check_one(Term.PUBLIC_IP, public_ip, Term.PUBLIC_IP_LINK_ID, link_id)
    with region.begin() as work:
        linked = _linked(work.connection, who, public_ip, link_id)
        if linked.link is None:
            raise NoSuchPublicIpLink(link=linked.public_ip)
        public_ips.unlink(work.connection, linked.public_ip_id)
        operation = _request(region, work, who, [linked.link.vm_id])
    _wait(region, operation)


def _linked(connection: Transaction, who: Principal, public_ip: str | None, link_id: str | None) -> PublicIp:
    if link_id is None:
        return _named(connection, who, public_ip, None)
    found = public_ips.with_link(connection, who.account_id, link_id)
    if found is None:
        raise NoSuchPublicIpLink(link=link_id)
    return found


def delete(region: Region, who: Principal, public_ip: str | None, public_ip_id: str | None) -> None:
    """Release an unlinked public IP. If its VM is being terminated, it is released after that.

    Raises:
        MissingParameter, IncompatibleParameters, BadValue, NoSuchPublicIp, PublicIpInUse.
    """
    with region.begin() as work:
        released = _named(work.connection, who, public_ip, public_ip_id)
        if link := released.link:
            in_use = PublicIpInUse(public_ip=released.public_ip, vm_id=link.vm_id)
            going = lookup.own_vm(work.connection, who, link.vm_id).state == VmState.SHUTTING_DOWN
            raise in_use.while_passing(link.vm_id) if going else in_use
        tags.erase(work.connection, released.public_ip_id)
        public_ips.erase(work.connection, released.public_ip_id)


def _named(
    connection: Transaction, who: Principal, public_ip: str | None, public_ip_id: str | None
) -> PublicIp:
    """The caller's public IP with this address or this id; exactly one of them is given."""
    _check_one(Term.PUBLIC_IP, public_ip, Term.PUBLIC_IP_ID, public_ip_id)
    if public_ip is not None:
        _check_address(public_ip)
        found = public_ips.with_address(connection, who.account_id, public_ip)
    else:
        found = public_ips.with_id(connection, who.account_id, str(public_ip_id))
    if found is None:
        raise NoSuchPublicIp(public_ip=public_ip or public_ip_id)
    return found


def _check_one(first: Term, first_value: str | None, second: Term, second_value: str | None) -> None:
    if first_value is None and second_value is None:
        raise MissingParameter(parameter=first)
    if first_value is not None and second_value is not None:
        raise IncompatibleParameters(
            reason=Phrase(
                "give either {first} or {second}, not both",
                first=first,
                second=second,
            )
        )


def _check_address(public_ip: str) -> None:
    try:
        ipaddress.IPv4Address(public_ip)
    except ValueError as error:
        raise BadValue(parameter=Term.PUBLIC_IP, reason=f"an IPv4 address is expected: {error}") from error


def attach_tagged(region: Region, work: Work, vm: Vm, tagged: Mapping[str, str]) -> Vm:
    """Link the public IP that a VM's tag names to the VM, which is about to run. An address of another account, or one
    linked elsewhere, is ignored. The workflow that starts the VM applies the link."""
    wanted = tagged.get(AUTO_ATTACH)
    found = public_ips.with_address(work.connection, vm.account_id, wanted) if wanted else None
    if found is None or found.link is not None:
        return vm
    link_id = region.ids.new(ids.PUBLIC_IP_LINK)
    public_ips.link(work.connection, found.public_ip_id, vm.vm_id, link_id)
    return replace(vm, public_ip=found.public_ip)


def attach_at_start(region: Region, work: Work, vms: Sequence[Vm]) -> None:
    """As `attach_tagged`, by the tags that each of the VMs has now."""
    tagged = tags.of_resources(work.connection, [vm.vm_id for vm in vms])
    for vm in vms:
        attach_tagged(region, work, vm, {tag.key: tag.value for tag in tagged.get(vm.vm_id, ())})


def _request(region: Region, work: Work, who: Principal, vm_ids: list[str]) -> Operation:
    """Request that the guests of these VMs get their addresses."""
    operation = apply_public_ips(vm_ids, who.account_id, region.ids.serial())
    work.operations.append(operation)
    return operation


def _wait(region: Region, operation: Operation) -> None:
    """Wait a little, so that the caller's next packet reaches the guest."""
    if not region.dry_run:
        region.workflows.wait(operation.operation_id, APPLY_WAIT_SECONDS)
