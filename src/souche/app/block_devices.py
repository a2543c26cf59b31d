"""Block device mappings: the rules for device names, sizes, types and Iops, and the merge of a launch's mappings with
those of its image (reference section 5)."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from souche.app.context import lookup
from souche.db import snapshots
from souche.db.transactions import Transaction
from souche.model.accounts import Principal
from souche.model.images import ROOT_DEVICE_NAME, Image, ImageMapping
from souche.model.snapshots import Snapshot
from souche.refusals import DuplicateDevice, WrongSnapshotState
from souche.states import SnapshotState
from souche.value_refusals import (
    BadDeviceName,
    BadIops,
    BadValue,
    BadVirtualDeviceName,
    BadVolumeSize,
    BadVolumeType,
    IncompatibleParameters,
    IopsNotTaken,
    IopsRatio,
    MissingParameter,
    RootSnapshotMissing,
    VolumeSmallerThanSnapshot,
)
from souche.words import Phrase, Term

DEVICE_NAME = re.compile(r"/dev/(sda1|(sd|xvd)[b-z][a-z]?)")
EPHEMERAL_NAME = re.compile(r"ephemeral[0-9]+")
VOLUME_TYPES = ("standard", "gp2", "io1")
SIZE_GIB = range(1, 14_901 + 1)
IO1_MIN_SIZE_GIB = 4
IO1_IOPS = range(100, 13_000 + 1)
IO1_IOPS_PER_GIB = 300
MAX_VOLUMES_OF_VM = 40
ROOT_IS_A_VOLUME = "the root device is a volume, not an ephemeral disk"


@dataclass(frozen=True)
class BsuRequest:
    """The volume of a mapping; None for omitted fields."""

    snapshot_id: str | None = None
    volume_size_gib: int | None = None
    volume_type: str | None = None
    iops: int | None = None
    delete_on_vm_deletion: bool | None = None


@dataclass(frozen=True)
class MappingRequest:
    """A mapping in a request, for an image or for a launch."""

    device_name: str | None
    bsu: BsuRequest | None = None
    no_device: bool = False
    virtual_device_name: str | None = None


def check_device_name(name: str | None) -> str:
    """Return the name if it is a valid one.

    Raises:
        MissingParameter, BadDeviceName.
    """
    if name is None:
        raise MissingParameter(parameter=Term.DEVICE_NAME)
    if not DEVICE_NAME.fullmatch(name):
        raise BadDeviceName(device_name=name)
    return name


def place(device_name: str) -> str:
    """The place of a device: /dev/sdb and /dev/xvdb are two names of one place on a VM."""
    return device_name.removeprefix("/dev/").removeprefix("sd").removeprefix("xvd")


def check_volume(size_gib: int, volume_type: str, iops: int | None, *, device_name: str) -> None:
    """Refuse a volume that breaks the rules for sizes, types and Iops. `device_name` is for the message.

    Raises:
        BadVolumeSize, BadVolumeType, IopsNotTaken, MissingParameter, BadIops, IopsRatio.
    """
    if volume_type not in VOLUME_TYPES:
        raise BadVolumeType(volume_type=volume_type)
    if size_gib not in SIZE_GIB:
        raise BadVolumeSize(size_gib=size_gib, reason=f"it must be from {SIZE_GIB[0]} to {SIZE_GIB[-1]}")
    if volume_type != "io1":
        if iops is not None:
            raise IopsNotTaken(device_name=device_name, volume_type=volume_type)
        return
    _check_io1(size_gib, iops)


def _check_io1(size_gib: int, iops: int | None) -> None:
    if iops is None:
        raise MissingParameter(parameter=Term.IOPS)
    if size_gib < IO1_MIN_SIZE_GIB:
        raise BadVolumeSize(size_gib=size_gib, reason=f"an io1 volume has at least {IO1_MIN_SIZE_GIB}")
    if iops not in IO1_IOPS:
        raise BadIops(iops=iops, reason=f"it must be from {IO1_IOPS[0]} to {IO1_IOPS[-1]}")
    if iops > size_gib * IO1_IOPS_PER_GIB:
        raise IopsRatio(iops=iops, size_gib=size_gib, ratio=IO1_IOPS_PER_GIB)


def check_size_against(snapshot: Snapshot, size_gib: int) -> None:
    """Refuse a volume that is smaller than its snapshot."""
    if size_gib < snapshot.volume_size_gib:
        raise VolumeSmallerThanSnapshot(
            snapshot_id=snapshot.snapshot_id, size_gib=size_gib, snapshot_size_gib=snapshot.volume_size_gib
        )


def check_completed(snapshot: Snapshot) -> None:
    """Refuse a snapshot that is not `completed`."""
    if snapshot.state != SnapshotState.COMPLETED:
        raise WrongSnapshotState(
            snapshot_id=snapshot.snapshot_id, state=snapshot.state, reason="wait until it is completed"
        )


def for_image(
    connection: Transaction, who: Principal, requests: Sequence[MappingRequest], root_device_name: str
) -> tuple[ImageMapping, ...]:
    """The mappings of an image registered from snapshots. Ephemeral ones are accepted and dropped.

    Raises:
        BadDeviceName, BadValue: the root device is not /dev/sda1, or there are too many mappings.
        RootSnapshotMissing: no mapping of the root device with a snapshot.
        And those of every rule above.
    """
    if check_device_name(root_device_name) != ROOT_DEVICE_NAME:
        raise BadValue(parameter=Term.ROOT_DEVICE_NAME, reason=f"the root device is {ROOT_DEVICE_NAME}")
    check_distinct([request.device_name for request in requests if request.device_name])
    mappings = []
    for request in requests:
        if request.virtual_device_name is not None and request.device_name != root_device_name:
            _check_ephemeral(request)
            continue
        mappings.append(_image_mapping(connection, who, request, root_device_name))
    if root_device_name not in [mapping.device_name for mapping in mappings]:
        raise RootSnapshotMissing(device_name=root_device_name)
    check_number(mappings)
    return tuple(mappings)


def check_number(mappings: Collection[ImageMapping]) -> None:
    """Refuse more volumes than a VM can have."""
    if len(mappings) > MAX_VOLUMES_OF_VM:
        raise BadValue(parameter=Term.DEVICE_MAPPINGS, reason=f"a VM has at most {MAX_VOLUMES_OF_VM} volumes")


def _image_mapping(
    connection: Transaction, who: Principal, request: MappingRequest, root_device_name: str
) -> ImageMapping:
    name = check_device_name(request.device_name)
    if name == root_device_name:
        _check_root(request)
    bsu = request.bsu or BsuRequest()
    return _complete(ImageMapping(name, None, 0), bsu, _named_snapshot(connection, who, bsu))


def _check_root(request: MappingRequest) -> None:
    if request.virtual_device_name is not None:
        if request.bsu is not None:
            raise BadVirtualDeviceName(name=request.virtual_device_name, reason=ROOT_IS_A_VOLUME)
        raise RootSnapshotMissing(device_name=request.device_name)
    if request.bsu is None or request.bsu.snapshot_id is None:
        raise RootSnapshotMissing(device_name=request.device_name)


def _named_snapshot(connection: Transaction, who: Principal, bsu: BsuRequest) -> Snapshot | None:
    if bsu.snapshot_id is None:
        return None
    snapshot = lookup.usable_snapshot(connection, who, bsu.snapshot_id)
    check_completed(snapshot)
    return snapshot


def _complete(base: ImageMapping, bsu: BsuRequest, snapshot: Snapshot | None) -> ImageMapping:
    """The mapping `base`, overridden by `bsu`, and checked against its snapshot."""
    mapping = ImageMapping(
        device_name=base.device_name,
        snapshot_id=snapshot.snapshot_id if snapshot else None,
        volume_size_gib=_size_gib(base, bsu, snapshot),
        volume_type=base.volume_type if bsu.volume_type is None else bsu.volume_type,
        iops=base.iops if bsu.iops is None and bsu.volume_type in (None, base.volume_type) else bsu.iops,
        delete_on_vm_deletion=(
            base.delete_on_vm_deletion if bsu.delete_on_vm_deletion is None else bsu.delete_on_vm_deletion
        ),
    )
    check_volume(mapping.volume_size_gib, mapping.volume_type, mapping.iops, device_name=mapping.device_name)
    if snapshot is not None:
        check_size_against(snapshot, mapping.volume_size_gib)
    return mapping


def _size_gib(base: ImageMapping, bsu: BsuRequest, snapshot: Snapshot | None) -> int:
    if bsu.volume_size_gib is not None:
        return bsu.volume_size_gib
    if base.volume_size_gib and bsu.snapshot_id in (None, base.snapshot_id):
        return base.volume_size_gib
    if snapshot is None:
        raise MissingParameter(parameter=Term.VOLUME_SIZE)
    return snapshot.volume_size_gib


def for_launch(
    connection: Transaction, who: Principal, image: Image, requests: Sequence[MappingRequest]
) -> tuple[ImageMapping, ...]:
    """The mappings of a launch: the image's, with those of the request merged in by place.

    The same place overrides the sub-fields given (and is called as the request calls it), a new one adds a volume,
    NoDevice drops the image's device, and ephemeral disks are accepted and dropped.

    Raises:
        BadValue: the root device is dropped, or there are too many volumes.
        DuplicateDevice: the request has two mappings of one place. And those of every rule above.
    """
    check_distinct([request.device_name for request in requests if request.device_name])
    merged = {place(mapping.device_name): mapping for mapping in image.mappings}
    for request in requests:
        name = check_device_name(request.device_name)
        if request.no_device:
            _check_droppable(image, name)
            merged.pop(place(name), None)
        elif request.virtual_device_name is not None:
            _check_ephemeral(request)
        else:
            base = replace(merged.get(place(name), ImageMapping(name, None, 0)), device_name=name)
            merged[place(name)] = _launch_mapping(connection, who, image, base, request.bsu or BsuRequest())
    check_number(merged.values())
    return tuple(merged.values())


def _launch_mapping(
    connection: Transaction, who: Principal, image: Image, base: ImageMapping, bsu: BsuRequest
) -> ImageMapping:
    if bsu.snapshot_id not in (None, base.snapshot_id):
        if base.device_name == image.root_device_name:
            raise IncompatibleParameters(
                reason=Phrase("the {word[snapshot_id]} of a VM's root volume cannot be changed")
            )
        snapshot = _named_snapshot(connection, who, bsu)
    else:
        snapshot = snapshots.get(connection, base.snapshot_id) if base.snapshot_id else None
    return _complete(base, bsu, snapshot)


def _check_droppable(image: Image, device_name: str) -> None:
    if device_name == image.root_device_name:
        raise BadValue(parameter=Term.NO_DEVICE, reason="the root device cannot be removed")


def _check_ephemeral(request: MappingRequest) -> None:
    check_device_name(request.device_name)
    name = request.virtual_device_name or ""
    if request.device_name == ROOT_DEVICE_NAME:
        raise BadVirtualDeviceName(name=name, reason=ROOT_IS_A_VOLUME)
    if request.bsu is not None:
        raise BadVirtualDeviceName(
            name=name,
            reason=Phrase("a device is a volume ({word[mapped_volume]}) or an ephemeral disk, not both"),
        )
    if not EPHEMERAL_NAME.fullmatch(name):
        raise BadVirtualDeviceName(name=name, reason="ephemeralN is expected")


def check_distinct(device_names: Sequence[str]) -> None:
    """Refuse two devices at one place.

    Raises:
        DuplicateDevice.
    """
    seen: set[str] = set()
    for name in device_names:
        if place(name) in seen:
            raise DuplicateDevice(device_name=name)
        seen.add(place(name))
