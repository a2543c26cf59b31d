"""Images: made from a VM or from snapshots; changed, shared, found and deleted (reference section 2)."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import get_args

from souche import ids
from souche.app import block_devices, consistency, image_reports, product_codes, quotas
from souche.app.block_devices import MappingRequest
from souche.app.context import lookup, texts
from souche.app.context.region import Region, Work
from souche.app.image_pages import seen_by
from souche.app.permissions import PermissionsChange, check_account_ids, check_open
from souche.db import disk_imports, images, marketplace, notices, snapshots, vms
from souche.db.transactions import Transaction
from souche.model import stop_reasons
from souche.model.accounts import Principal
from souche.model.images import Architecture, BootMode, Image, ImageMapping, VmAttributes
from souche.model.snapshots import Snapshot
from souche.model.vms import Vm
from souche.model.volumes import Volume
from souche.operations.images import CreateImage, create_image
from souche.refusals import (
    ImageNameTaken,
    NotOwner,
    PublishedVersion,
    WrongImageState,
    WrongVmState,
    WrongVolumeState,
)
from souche.states import ImageState, LinkState, SnapshotState, VmState
from souche.value_refusals import BadImageName, BadValue
from souche.words import Term
from souche.workflows import withdrawals

NAME = re.compile(r"[a-zA-Z0-9_ ()/.-]{3,128}")


@dataclass(frozen=True)
class ImageSettings:
    """The settings of every new image; None for omitted fields."""

    name: str | None
    description: str | None = None
    boot_modes: tuple[BootMode, ...] | None = None
    product_codes: tuple[str, ...] | None = None
    tpm_mandatory: bool | None = None


@dataclass(frozen=True)
class FromVm:
    """An image of all the volumes of a VM, at one instant. Without `no_reboot` the VM is shut down for it."""

    settings: ImageSettings
    vm_id: str
    no_reboot: bool


@dataclass(frozen=True)
class FromSnapshots:
    """An image registered from snapshots."""

    settings: ImageSettings
    mappings: tuple[MappingRequest, ...]
    root_device_name: str
    architecture: Architecture


@dataclass(frozen=True)
class Change:
    """The changes of UpdateImage; None leaves a field as it is."""

    image_id: str
    description: str | None = None
    product_codes: tuple[str, ...] | None = None
    permissions: PermissionsChange | None = None


def create_from_vm(region: Region, who: Principal, command: FromVm) -> Image:
    """Request an image of a VM. It is `pending` until its snapshots are taken.

    Raises:
        NoSuchVm, WrongVmState, BadImageName, ImageNameTaken, BadProductCodes, ValueTooLong, QuotaExceeded, OutOfSpace.
        WrongVolumeState: a volume is being attached or detached.
    """
    with region.begin() as work:
        vm = lookup.own_vm(work.connection, who, command.vm_id)
        _check_imageable(vm)
        image = _image_of_vm(region, work, who, vm, command.settings)
        region.room.ask()
        made = list(map(partial(_pending_snapshot, image), image.mappings, _attached(vm)))
        quotas.check(work, who, quotas.of_image(made))
        write(work, image)
        for snapshot in made:
            snapshots.insert(work.connection, snapshot)
        restart = vm.state == VmState.RUNNING and not command.no_reboot
        generation = None
        if restart:
            generation = vms.begin_transition(work.connection, vm, VmState.STOPPING, stop_reasons.BY_USER)
        work.operations.append(create_image(image, CreateImage(vm.vm_id, restart, generation)))
    return image


def _check_imageable(vm: Vm) -> None:
    if vm.state not in (VmState.RUNNING, VmState.STOPPED):
        raise WrongVmState(vm_id=vm.vm_id, state=vm.state, reason="it must be running or stopped")
    for volume in vm.volumes:
        if volume.link and volume.link.state != LinkState.ATTACHED:
            raise WrongVolumeState(
                volume_id=volume.volume_id,
                state=volume.link.state,
                reason="an image captures all volumes of its VM: wait until this one is attached or detached",
            )
    if vm.root_device_name not in [volume.link.device_name for volume in _attached(vm) if volume.link]:
        raise WrongVmState(vm_id=vm.vm_id, state=vm.state, reason="it has no root volume")


def _attached(vm: Vm) -> list[Volume]:
    return [volume for volume in vm.volumes if volume.link and volume.link.state == LinkState.ATTACHED]


def _image_of_vm(region: Region, work: Work, who: Principal, vm: Vm, settings: ImageSettings) -> Image:
    source = images.get(work.connection, vm.image_id)
    mappings = tuple(
        ImageMapping(
            device_name=volume.link.device_name,
            snapshot_id=region.ids.new(ids.SNAPSHOT),
            volume_size_gib=volume.captured_size_gib,
            volume_type=volume.volume_type,
            iops=volume.iops,
            delete_on_vm_deletion=volume.link.delete_on_vm_deletion,
        )
        for volume in _attached(vm)
        if volume.link
    )
    image = new_image(region, who, settings, settings.name or "")
    return replace(
        image,
        state=ImageState.PENDING,
        mappings=mappings,
        architecture=vm.architecture,
        boot_modes=image.boot_modes if settings.boot_modes else _boot_modes_of(vm, source),
        root_device_name=vm.root_device_name,
        product_codes=product_codes.chosen(
            work.connection, who, settings.product_codes, product_codes.of_vm(vm, _attached(vm))
        ),
        source_vm_id=vm.vm_id,
        source_image_id=vm.image_id,
        vm_attributes=VmAttributes(
            deletion_protection=vm.deletion_protection,
            shutdown_behavior=vm.shutdown_behavior,
            performance=vm.performance,
            boot_mode=vm.boot_mode,
        ),
    )


def _boot_modes_of(vm: Vm, source: Image | None) -> tuple[BootMode, ...]:
    return source.boot_modes if source else (vm.boot_mode,)


def _pending_snapshot(image: Image, mapping: ImageMapping, volume: Volume) -> Snapshot:
    return Snapshot(
        snapshot_id=mapping.snapshot_id or "",
        account_id=image.account_id,
        volume_id=volume.volume_id,
        volume_size_gib=volume.captured_size_gib,
        state=SnapshotState.IN_QUEUE,
        progress_percent=0,
        description=f"Created by CreateImage({image.source_vm_id}) for {image.image_id}",
        creation_date=image.creation_date,
        product_codes=volume.product_codes,
        image_id=image.image_id,
    )


def create_from_snapshots(region: Region, who: Principal, command: FromSnapshots) -> Image:
    """Register an image from snapshots; it is `available` immediately.

    Raises:
        BadValue, RootSnapshotMissing, NoSuchSnapshot, BadImageName, ImageNameTaken, BadProductCodes, ValueTooLong,
        QuotaExceeded, and those of block_devices.py.
    """
    if command.architecture not in get_args(Architecture):
        raise BadValue(
            parameter=Term.ARCHITECTURE, reason=f"supported values: {', '.join(get_args(Architecture))}"
        )
    with region.begin() as work:
        mappings = block_devices.for_image(work.connection, who, command.mappings, command.root_device_name)
        image = replace(
            new_image(region, who, command.settings, command.settings.name or ""),
            mappings=mappings,
            architecture=command.architecture,
            root_device_name=command.root_device_name,
            consistency=consistency.of_snapshots(work.connection, mappings),
        )
        inherited = _codes_of_snapshot(work.connection, image.root_mapping)
        codes = product_codes.chosen(work.connection, who, command.settings.product_codes, inherited)
        image = replace(image, product_codes=codes)
        quotas.check(work, who, quotas.of_image([]))
        write(work, image)
    return image


def _codes_of_snapshot(connection: Transaction, mapping: ImageMapping) -> tuple[str, ...]:
    snapshot = snapshots.get(connection, mapping.snapshot_id) if mapping.snapshot_id else None
    return snapshot.product_codes if snapshot else ()


def check_available(image: Image) -> None:
    """Refuse an image that is not `available`."""
    if image.state != ImageState.AVAILABLE:
        raise WrongImageState(
            image_id=image.image_id, state=image.state, reason="only an available image can be used"
        )


def update(region: Region, who: Principal, change: Change) -> Image:
    """Change an image of the caller's. Adding a grant that exists, or removing one that does not, changes nothing.

    Raises:
        NoSuchImage, BadProductCodes, MalformedAccountId, BadValue, ValueTooLong.
        PublishedVersion: only the description of such an image can change.
        ReportMissing, FindingsRefuse: the region's --share-gate refuses to share it.
        WrongLife: it is closed.
    """
    _check_change(change)
    with region.begin() as work:
        image = lookup.own_image(work.connection, who, change.image_id)
        if change.product_codes is not None or change.permissions is not None:
            check_unpublished(work, image, "its product codes and permissions are frozen")
        if change.description is not None:
            images.set_description(work.connection, image.image_id, change.description)
        if change.product_codes is not None:
            codes = product_codes.changed(work.connection, who, change.product_codes, image.product_codes)
            images.set_product_codes(work.connection, image.image_id, codes)
        if change.permissions is not None:
            _change_permissions(region, work, image, change.permissions)
        return seen_by(region, who, images.get(work.connection, image.image_id) or image)


def _check_change(change: Change) -> None:
    texts.check_description(change.description)
    if change.permissions is not None:
        check_account_ids(change.permissions.account_ids)


def _change_permissions(region: Region, work: Work, image: Image, change: PermissionsChange) -> None:
    if _is_gated(region, change):
        image_reports.check_shareable(work, image.image_id)
    check_open(work.connection, image.image_id)
    before = notices.concerned(work.connection, image)
    if change.removal:
        images.revoke(work.connection, image.image_id, change.account_ids)
    else:
        images.grant(work.connection, image.image_id, change.account_ids)
        new = set(change.account_ids) - set(image.permissions.account_ids)
        withdrawals.tell_new_users(work.connection, image, new, region.clock.now())
    if change.everybody:
        images.set_public(work.connection, image.image_id, public=not change.removal)
    withdrawals.tell_of_sharing(work.connection, image, before, region.clock.now())


def _is_gated(region: Region, change: PermissionsChange) -> bool:
    """Whether this kind of sharing needs the image's report."""
    if change.removal or region.share_gate == "off":
        return False
    return change.everybody or (region.share_gate == "all" and bool(change.account_ids))


def delete(region: Region, who: Principal, image_id: str) -> None:
    """Delete an image, in any state. Its snapshots and the VMs launched from it stay. Imports of its snapshots are
    cancelled, and the snapshots erased.

    Raises:
        NoSuchImage: unknown, or not visible.
        NotOwner: visible, but another account's.
        PublishedVersion: it is on the marketplace.
    """
    with region.begin() as work:
        image = lookup.usable_image(work.connection, who, image_id)
        if image.account_id != who.account_id:
            raise NotOwner(resource_id=image_id)
        check_unpublished(work, image, "the operator withdraws it")
        disk_imports.cancel(work.connection, image_id)
        withdrawals.tell_of_deletion(work.connection, image, withdrawals.BY_OWNER, region.clock.now())
        images.erase(work.connection, image_id)


def check_unpublished(work: Work, image: Image, reason: str) -> None:
    """Refuse to change an image that is on the Marketplace (PublishedVersion)."""
    if marketplace.version(work.connection, image.image_id) is not None:
        raise PublishedVersion(image_id=image.image_id, reason=reason)


def new_image(region: Region, who: Principal, settings: ImageSettings, name: str) -> Image:
    """A new image as every way of making one begins: a new id, private, `available`, without mappings, and with Linux's
    product code."""
    return Image(
        image_id=region.ids.new(ids.IMAGE),
        account_id=who.account_id,
        name=name,
        description=settings.description or "",
        creation_date=region.clock.now(),
        state=ImageState.AVAILABLE,
        file_location=f"{who.account_id}/{name}",
        mappings=(),
        boot_modes=_ordered(settings.boot_modes or ("legacy",)),
        tpm_mandatory=settings.tpm_mandatory or False,
    )


def _ordered(modes: Collection[BootMode]) -> tuple[BootMode, ...]:
    """Each once, in the order of the real service: legacy, uefi."""
    return tuple(sorted(set(modes)))


def write(work: Work, image: Image) -> None:
    """Check the image's name and description, and write its record. A boot mode for VMs that the image does not support
    is dropped.

    Raises:
        BadImageName, ImageNameTaken, ValueTooLong.
    """
    texts.check_description(image.description)
    if not NAME.fullmatch(image.name):
        raise BadImageName(name=image.name)
    taken = images.named(work.connection, image.account_id, image.name)
    if taken is not None:
        raise ImageNameTaken(name=image.name, image_id=taken)
    carried = image.vm_attributes
    attributes = carried.bootable(image.boot_modes) if carried else None
    images.insert(work.connection, replace(image, vm_attributes=attributes))


def reread(region: Region, image: Image) -> Image:
    """The image as it is now."""
    with region.store.read() as connection:
        return images.get(connection, image.image_id) or image
