"""Finds the resources that a request names.

A hidden resource gets exactly the answer of a missing one (design 3.5), in the same time: the owner is in the WHERE
clause of each query. The form of an id is checked first, as the real service does (reference section 1).
"""

from collections.abc import Collection

from souche import ids
from souche.db import images, security_groups, snapshots, vms, volumes
from souche.db.transactions import Transaction
from souche.model.accounts import Principal
from souche.model.images import Image
from souche.model.security_groups import SecurityGroup
from souche.model.snapshots import Snapshot
from souche.model.vms import Vm
from souche.model.volumes import Volume
from souche.refusals import NoSuchImage, NoSuchSecurityGroup, NoSuchSnapshot, NoSuchVm, NoSuchVolume
from souche.value_refusals import MalformedId, WrongIdPrefix

KERNELS_AND_RAM_DISKS = ("aki-", "ari-")


def check_id(resource_id: str, prefix: str) -> None:
    """Refuse an id that cannot be of this kind.

    Raises:
        WrongIdPrefix: it begins otherwise.
        MalformedId: the part after the prefix is not the right number of lowercase hex digits.
    """
    if not resource_id.startswith(f"{prefix}-"):
        raise WrongIdPrefix(resource_id=resource_id, prefix=prefix)
    if not ids.is_well_formed(resource_id, prefix):
        digits = ids.HEX_DIGITS.get(prefix, ids.DEFAULT_HEX_DIGITS)
        raise MalformedId(resource_id=resource_id, prefix=prefix, digits=digits)


def usable_image(connection: Transaction, who: Principal, image_id: str) -> Image:
    """An image that the caller may launch and copy: its own, granted to it, or public. Ids of kernels and RAM disks,
    which no region has, are unknown and not malformed (reference section 1)."""
    if not image_id.startswith(KERNELS_AND_RAM_DISKS):
        check_id(image_id, ids.IMAGE)
    image = images.get_usable(connection, image_id, who.account_id)
    if image is None:
        raise NoSuchImage(image_id=image_id)
    return image


def own_image(connection: Transaction, who: Principal, image_id: str) -> Image:
    """An image of the caller's account."""
    image = usable_image(connection, who, image_id)
    if image.account_id != who.account_id:
        raise NoSuchImage(image_id=image_id)
    return image


def shown_image_id(connection: Transaction, who: Principal, image_id: str) -> str:
    """The id, if the account may see the image; otherwise only that there is one."""
    seen = images.get_usable(connection, image_id, who.account_id)
    return image_id if seen else "an image of another account"


def usable_snapshot(connection: Transaction, who: Principal, snapshot_id: str) -> Snapshot:
    """A snapshot that the caller may make volumes, images and copies of."""
    check_id(snapshot_id, ids.SNAPSHOT)
    snapshot = snapshots.get_usable(connection, snapshot_id, who.account_id)
    if snapshot is None:
        raise NoSuchSnapshot(snapshot_id=snapshot_id)
    return snapshot


def own_snapshot(connection: Transaction, who: Principal, snapshot_id: str) -> Snapshot:
    """A snapshot of the caller's account."""
    snapshot = usable_snapshot(connection, who, snapshot_id)
    if snapshot.account_id != who.account_id:
        raise NoSuchSnapshot(snapshot_id=snapshot_id)
    return snapshot


def own_volume(connection: Transaction, who: Principal, volume_id: str) -> Volume:
    """A volume of the caller's account."""
    check_id(volume_id, ids.VOLUME)
    volume = volumes.owned(connection, who.account_id, volume_id)
    if volume is None:
        raise NoSuchVolume(volume_id=volume_id)
    return volume


def own_security_group(connection: Transaction, who: Principal, security_group_id: str) -> SecurityGroup:
    """A security group of the caller's account."""
    check_id(security_group_id, ids.SECURITY_GROUP)
    group = security_groups.owned(connection, who.account_id, security_group_id)
    if group is None:
        raise NoSuchSecurityGroup(security_group=security_group_id)
    return group


def own_vm(connection: Transaction, who: Principal, vm_id: str) -> Vm:
    """A VM of the caller's account."""
    check_id(vm_id, ids.VM)
    vm = vms.owned(connection, who.account_id, vm_id)
    if vm is None:
        raise NoSuchVm(vm_id=vm_id)
    return vm


def own_vms(connection: Transaction, who: Principal, vm_ids: Collection[str]) -> list[Vm]:
    """VMs of the caller's account, in the order of their ids."""
    found = vms.all_owned(connection, who.account_id, vm_ids)
    for vm_id in vm_ids:
        check_id(vm_id, ids.VM)
        if vm_id not in found:
            raise NoSuchVm(vm_id=vm_id)
    return [found[vm_id] for vm_id in vm_ids]
