"""Volumes: made, attached to VMs, detached, found and deleted (reference section 7)."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from souche import ids
from souche.app import block_devices, product_codes, quotas
from souche.app.context import client_tokens, lookup, texts
from souche.app.context.open_pages import OpenPage
from souche.app.context.region import Region, Work
from souche.db import snapshots, tags, volumes
from souche.db.transactions import Transaction
from souche.model.accounts import Principal
from souche.model.query import Query
from souche.model.snapshots import Snapshot
from souche.model.tags import Tag
from souche.model.vms import Vm
from souche.model.volumes import Volume, VolumeLink
from souche.operations.volumes import create_volume, delete_volume, link_volume, unlink_volume
from souche.refusals import (
    DeviceInUse,
    NoSuchSubregion,
    UnlinkedAlready,
    VolumeInUse,
    WrongVmState,
    WrongVolumeState,
    ZoneMismatch,
)
from souche.states import LinkState, VmState, VolumeState
from souche.value_refusals import BadValue, MissingParameter
from souche.words import Term


@dataclass(frozen=True)
class Create:
    """A new volume, empty (`size_gib` is needed) or from a snapshot (its size is the default)."""

    subregion_name: str
    size_gib: int | None = None
    snapshot_id: str | None = None
    volume_type: str = "standard"
    iops: int | None = None
    client_token: str | None = None


@dataclass(frozen=True)
class Link:
    """Attach a volume to a VM at a device."""

    volume_id: str
    vm_id: str
    device_name: str


def create(region: Region, who: Principal, command: Create) -> Volume:
    """Request a volume. With the token of an earlier call, that call's volume is the answer.

    Raises:
        NoSuchSubregion, NoSuchSnapshot, WrongSnapshotState, MissingParameter, ValueTooLong, ClientTokenReused,
        QuotaExceeded, OutOfSpace, and those of block_devices.check_volume.
    """
    texts.check_client_token(command.client_token)
    if command.subregion_name not in region.subregion_names:
        raise NoSuchSubregion(subregion_name=command.subregion_name)
    with region.begin() as work:
        earlier = _of_token(work, who, command)
        if earlier:
            return earlier
        snapshot = _completed_snapshot(work.connection, who, command)
        volume = _new(region, who, command, snapshot)
        region.room.ask()
        quotas.check(work, who, quotas.of_volume(volume.size_gib, volume.iops))
        volumes.insert(work.connection, [volume])
        work.operations.append(create_volume(volume))
    return volume


def _of_token(work: Work, who: Principal, command: Create) -> Volume | None:
    """The volume of the call that came with the token. The token of a volume that is being deleted is free."""
    token = command.client_token
    earlier = volumes.with_client_token(work.connection, who.account_id, token) if token is not None else None
    if token is None or earlier is None:
        return None
    if earlier.state == VolumeState.DELETING:
        volumes.release_client_token(work.connection, earlier.volume_id)
        return None
    client_tokens.check(token, earlier.request_digest, client_tokens.digest(command))
    return earlier


def _completed_snapshot(connection: Transaction, who: Principal, command: Create) -> Snapshot | None:
    if command.snapshot_id is None:
        return None
    snapshot = lookup.usable_snapshot(connection, who, command.snapshot_id)
    block_devices.check_completed(snapshot)
    return snapshot


def _new(region: Region, who: Principal, command: Create, snapshot: Snapshot | None) -> Volume:
    size = command.size_gib if command.size_gib is not None or not snapshot else snapshot.volume_size_gib
    if size is None:
        raise MissingParameter(parameter=Term.SIZE)
    block_devices.check_volume(size, command.volume_type, command.iops, device_name="the volume")
    if snapshot:
        block_devices.check_size_against(snapshot, size)
    return Volume(
        volume_id=region.ids.new(ids.VOLUME),
        account_id=who.account_id,
        snapshot_id=command.snapshot_id,
        size_gib=size,
        volume_type=command.volume_type,
        iops=command.iops,
        state=VolumeState.CREATING,
        subregion_name=command.subregion_name,
        creation_date=region.clock.now(),
        product_codes=snapshot.product_codes if snapshot else (),
        client_token=command.client_token,
        request_digest=client_tokens.digest(command),
    )


def delete(region: Region, who: Principal, volume_id: str) -> None:
    """Request the deletion of an unattached volume. Waits for a snapshot in progress: Terraform sends both requests
    back to back.

    Raises:
        NoSuchVolume, WrongVolumeState.
    """
    with region.begin() as work:
        volume = lookup.own_volume(work.connection, who, volume_id)
        if volume.state not in (VolumeState.AVAILABLE, VolumeState.ERROR):
            refused = WrongVolumeState(
                volume_id=volume_id, state=volume.state, reason="it must be available to be deleted"
            )
            detaching = volume.link is not None and volume.link.state == LinkState.DETACHING
            raise refused.while_passing(volume_id) if detaching else refused
        if volume.update:
            raise WrongVolumeState(
                volume_id=volume_id, state=volume.state, reason=f"{volume.update.task_id} is under way"
            ).while_passing(volume_id)
        if snapshots.being_taken(work.connection, volume_id):
            raise WrongVolumeState(
                volume_id=volume_id, state=volume.state, reason="a snapshot of it is being made"
            ).while_passing(volume_id)
        volumes.set_state(work.connection, volume_id, VolumeState.DELETING)
        work.operations.append(delete_volume(volume))


def link(region: Region, who: Principal, command: Link) -> None:
    """Request the attachment of a volume to a VM, running or stopped. The volume is not deleted with the VM.

    Raises:
        NoSuchVolume, NoSuchVm, BadDeviceName, VolumeInUse, WrongVolumeState, WrongVmState, ZoneMismatch, DeviceInUse,
        BadValue.
        NotSubscribed: as the root volume it would bring a product that the account is not subscribed to.
    """
    block_devices.check_device_name(command.device_name)
    with region.begin() as work:
        volume = lookup.own_volume(work.connection, who, command.volume_id)
        vm = lookup.own_vm(work.connection, who, command.vm_id)
        _check_linkable(volume, vm, command.device_name)
        if command.device_name == vm.root_device_name:
            product_codes.check_root(work.connection, who, volume, vm)
        new = VolumeLink(
            volume_id=volume.volume_id,
            vm_id=vm.vm_id,
            device_name=command.device_name,
            delete_on_vm_deletion=False,
            state=LinkState.ATTACHING,
            link_date=region.clock.now(),
        )
        volumes.link(work.connection, new)
        volumes.set_state(work.connection, volume.volume_id, VolumeState.IN_USE)
        work.operations.append(link_volume(volume, vm.vm_id, region.ids.serial()))


def _check_linkable(volume: Volume, vm: Vm, device_name: str) -> None:
    if volume.link:
        in_use = VolumeInUse(volume_id=volume.volume_id, vm_id=volume.link.vm_id)
        going = volume.link.state == LinkState.DETACHING
        raise in_use.while_passing(volume.volume_id) if going else in_use
    if volume.state != VolumeState.AVAILABLE:
        raise WrongVolumeState(volume_id=volume.volume_id, state=volume.state, reason="it must be available")
    if vm.state not in (VmState.RUNNING, VmState.STOPPED):
        raise WrongVmState(vm_id=vm.vm_id, state=vm.state, reason="it must be running or stopped")
    if volume.subregion_name != vm.subregion_name:
        raise ZoneMismatch(volume_id=volume.volume_id, vm_id=vm.vm_id)
    for link in (linked.link for linked in vm.volumes if linked.link):
        if block_devices.place(link.device_name) == block_devices.place(device_name):
            taken = DeviceInUse(device_name=device_name, vm_id=vm.vm_id)
            raise taken.while_passing(link.volume_id) if link.state == LinkState.DETACHING else taken
    if len(vm.volumes) >= block_devices.MAX_VOLUMES_OF_VM:
        raise BadValue(
            parameter=Term.VM_ID, reason=f"a VM has at most {block_devices.MAX_VOLUMES_OF_VM} volumes"
        )


def unlink(region: Region, who: Principal, volume_id: str) -> None:
    """Request that a volume is detached. The root volume can be detached while the VM is stopped.

    Raises:
        NoSuchVolume, UnlinkedAlready, WrongVolumeState, WrongVmState.
    """
    with region.begin() as work:
        volume = lookup.own_volume(work.connection, who, volume_id)
        if volume.link is None:
            raise UnlinkedAlready(volume_id=volume_id)
        if volume.link.state != LinkState.ATTACHED:
            raise WrongVolumeState(volume_id=volume_id, state=volume.link.state, reason="it must be attached")
        vm = lookup.own_vm(work.connection, who, volume.link.vm_id)
        _check_unlinkable(vm, volume.link)
        volumes.set_link_state(work.connection, volume_id, LinkState.DETACHING)
        work.operations.append(unlink_volume(volume, vm.vm_id, region.ids.serial()))


def _check_unlinkable(vm: Vm, existing: VolumeLink) -> None:
    if vm.state not in (VmState.RUNNING, VmState.STOPPED):
        raise WrongVmState(vm_id=vm.vm_id, state=vm.state, reason="it must be running or stopped")
    if existing.device_name == vm.root_device_name and vm.state != VmState.STOPPED:
        raise WrongVmState(
            vm_id=vm.vm_id, state=vm.state, reason="its root volume can be unlinked only while it is stopped"
        )


@contextmanager
def open_page(
    region: Region, who: Principal, query: Query, time_limit: float | None = None
) -> Iterator[OpenPage[Volume]]:
    """A page of the caller's volumes, as `image_pages.open_page`."""
    with region.store.read(time_limit) as connection:
        rows, more = volumes.find_page(connection, who.account_id, query)
        yield OpenPage(rows, more, partial(_volumes, connection))


def _volumes(connection: Transaction, volume_ids: Collection[str]) -> dict[str, tuple[Volume, Sequence[Tag]]]:
    tagged = tags.of_resources(connection, volume_ids)
    return {
        volume.volume_id: (volume, tagged.get(volume.volume_id, ()))
        for volume in volumes.read(connection, volume_ids)
    }
