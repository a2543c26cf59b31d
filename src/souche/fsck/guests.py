"""Guests, their disks, addresses and firewalls in the hypervisor, against the records."""

from collections.abc import Iterator, Mapping
from typing import Final

from souche.compute.inspection import ComputeState
from souche.db import vms
from souche.fsck.findings import Finding, Level
from souche.fsck.look import Observation
from souche.model.vms import Vm
from souche.states import LinkState, VmState
from souche.workflows import firewalls

SWEEP: Final = "the region's server removes it within a minute"
FOLLOWS: Final = "the region's server sets it again within a minute"
RESTART: Final = "stop and start the VM"
RESTING: Final = (VmState.RUNNING, VmState.STOPPED)


def check(look: Observation) -> Iterator[Finding]:
    """Everything in the hypervisor. Finds nothing if none can be asked."""
    if look.compute is None:
        return
    resting = {vm.vm_id: vm for vm in vms.in_states(look.connection, RESTING) if vm.vm_id not in look.busy}
    yield from _guests(look, look.compute, resting)
    yield from _reservations(look, look.compute, resting)
    if not look.operations:  # any operation may be changing firewalls
        yield from _firewalls(look, look.compute, resting)


def _guests(look: Observation, compute: ComputeState, resting: Mapping[str, Vm]) -> Iterator[Finding]:
    known = vms.all_ids(look.connection)
    for vm_id in sorted(compute.guests.keys() - known - look.busy):
        yield Finding(
            "GuestWithoutRecord", vm_id, "there is a guest, and no VM", Level.LEFTOVER, advice=SWEEP
        )
    for vm_id, vm in sorted(resting.items()):
        guest = compute.guests.get(vm_id)
        if guest is None:
            if vm.state == VmState.RUNNING:
                advice = "the region's server follows it within a minute"
                yield Finding("GuestMissing", vm_id, "it is 'running', and there is no guest", advice=advice)
        elif guest.disks is not None:
            yield from _open_disks(look, vm, set(guest.disks))
            for volume_id, source in sorted(guest.disks.items()):
                if source not in look.disks.sources.get(volume_id, [source]) and volume_id not in look.busy:
                    what = f"its guest does not write to the present file of {volume_id}"
                    yield Finding("GuestDiskDiffers", vm_id, what, advice=RESTART)


def _open_disks(look: Observation, vm: Vm, opened: set[str]) -> Iterator[Finding]:
    attached = {each.volume_id for each in vm.volumes if each.link and each.link.state == LinkState.ATTACHED}
    for volume_id in sorted(attached - opened - look.busy):
        what = f"{volume_id} is attached to it, and its guest does not have it"
        yield Finding("GuestDiskMissing", vm.vm_id, what, advice=RESTART)
    for volume_id in sorted(opened - {each.volume_id for each in vm.volumes} - look.busy):
        what = f"its guest has {volume_id}, which is not linked to it"
        yield Finding("GuestDiskUnlinked", vm.vm_id, what, advice=RESTART)


def _reservations(look: Observation, compute: ComputeState, resting: Mapping[str, Vm]) -> Iterator[Finding]:
    reserved = compute.reservations
    if reserved is None:
        return
    for vm_id, vm in sorted(resting.items()):
        if vm.state == VmState.RUNNING and reserved.get(vm.mac_address.lower()) != vm.private_ip:
            given = reserved.get(vm.mac_address.lower())
            what = f"DHCP does not give it {vm.private_ip}, but {given or 'nothing'}"
            yield Finding("ReservationMissing", vm_id, what, advice=RESTART)
    if not look.operations:
        living = {mac.lower() for mac in vms.mac_addresses(look.connection)}
        for mac in sorted(reserved.keys() - living):
            what = f"DHCP gives {reserved[mac]} to {mac}, which no VM has"
            advice = "the address is freed when another VM gets it"
            yield Finding("ReservationLeft", mac, what, Level.LEFTOVER, advice=advice)


def _firewalls(look: Observation, compute: ComputeState, resting: Mapping[str, Vm]) -> Iterator[Finding]:
    """A guest is in the groups of its VM, and these have the rules on record."""
    wanted, present = firewalls.recorded(look.connection), compute.firewalls
    for vm_id in sorted(resting.keys() & compute.guests.keys()):
        groups = set(wanted.guests.get(vm_id, ()))
        if vm_id not in present.guests:
            yield Finding("FirewallMissing", vm_id, "its guest has no firewall", advice=FOLLOWS)
        elif set(present.guests[vm_id]) != groups or any(
            set(present.groups.get(each, ())) != set(wanted.groups[each]) for each in groups
        ):
            what = "the firewall of its guest does not match its security groups"
            yield Finding("FirewallDiffers", vm_id, what, advice=FOLLOWS)
        elif present.public_ips.get(vm_id) != wanted.public_ips.get(vm_id):
            leading, linked = present.public_ips.get(vm_id, "none"), wanted.public_ips.get(vm_id, "none")
            what = f"its guest is reached by the public IP {leading}, and {linked} is linked to it"
            yield Finding("PublicIpDiffers", vm_id, what, advice=FOLLOWS)
    for vm_id in sorted(present.guests.keys() - compute.guests.keys() - look.busy):
        yield Finding(
            "FirewallLeft", vm_id, "there is a firewall, and no guest", Level.LEFTOVER, advice=SWEEP
        )
    if not compute.firewalls_loaded and any(guest.disks is not None for guest in compute.guests.values()):
        what = "guests run, and no firewall of the region is in force"
        yield Finding("FirewallsNotLoaded", "firewall", what, advice=FOLLOWS)
