"""Copies of images within the region (reference section 2, CreateImage by SourceImageId)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from souche import ids
from souche.app import images, product_codes, quotas
from souche.app.context import lookup
from souche.app.context.region import Region, Work
from souche.app.images import ImageSettings
from souche.db import images as image_records
from souche.db import snapshots
from souche.db.transactions import Transaction
from souche.model.accounts import Principal
from souche.model.images import Image, ImageMapping
from souche.model.operations import Operation
from souche.model.snapshots import Snapshot
from souche.operations.images import copy_image
from souche.refusals import OtherRegion, OwnAlready
from souche.states import ImageState, SnapshotState
from souche.workflows import withdrawals

COPY_WAIT_SECONDS = 2.0


@dataclass(frozen=True)
class Copy:
    """A copy of an image that the caller may use, in the same region."""

    settings: ImageSettings
    source_image_id: str
    source_region_name: str


def copy(region: Region, who: Principal, command: Copy) -> Image:
    """Make an independent copy with its own id, snapshots and owner; it shares blocks with the source. Copying takes
    constant time, so the answer waits for it a little and shows `available`, as the real service's does.

    Raises:
        OtherRegion, and those of request_copy.
    """
    if command.source_region_name != region.name:
        raise OtherRegion(region_name=command.source_region_name, own_region_name=region.name)
    with region.begin() as work:
        source = lookup.usable_image(work.connection, who, command.source_image_id)
        image = request_copy(region, work, who, source, command.settings)
    if not region.dry_run:
        region.workflows.wait(copy_operation_id(image), COPY_WAIT_SECONDS)
    return images.reread(region, image)


def adopt(region: Region, who: Principal, image_id: str, name: str | None = None) -> Image:
    """As `request_adoption`; waits for the copy a little."""
    image = request_adoption(region, who, image_id, name)
    if not region.dry_run:
        region.workflows.wait(copy_operation_id(image), COPY_WAIT_SECONDS)
    return images.reread(region, image)


def request_adoption(region: Region, who: Principal, image_id: str, name: str | None = None) -> Image:
    """Make the caller a copy of another account's image, with the same name unless that is taken or another is given.

    Raises:
        OwnAlready, NoSuchImage, and those of request_copy.
    """
    with region.begin() as work:
        source = lookup.usable_image(work.connection, who, image_id)
        if source.account_id == who.account_id:
            raise OwnAlready(image_id=image_id)
        if name is None and image_records.named(work.connection, who.account_id, source.name) is None:
            name = source.name
        return request_copy(region, work, who, source, ImageSettings(name))


def copy_operation_id(image: Image) -> str:
    """The id of the workflow that makes a copy."""
    return copy_image(image).operation_id


def request_copy(
    region: Region,
    work: Work,
    who: Principal,
    source: Image,
    settings: ImageSettings,
    make: Callable[[Image], Operation] = copy_image,
) -> Image:
    """Write a copy of an image that the caller may see, with its snapshots, and request the operation that makes it.

    Raises:
        WrongImageState, NotSubscribed, BadImageName, ImageNameTaken, BadProductCodes, ValueTooLong, QuotaExceeded.
    """
    images.check_available(source)
    product_codes.check_subscribed(work.connection, who, source)
    image = _copy_of(region, work, who, source, settings)
    made = [
        _copied_snapshot(work, image, original, mapping)
        for original, mapping in zip(source.mappings, image.mappings, strict=True)
        if original.snapshot_id
    ]
    quotas.check(work, who, quotas.of_image(made))
    images.write(work, image)
    withdrawals.record_use(work.connection, source, who.account_id, region.clock.now())
    for snapshot in made:
        snapshots.insert(work.connection, snapshot)
    work.operations.append(make(image))
    return image


def _copy_of(region: Region, work: Work, who: Principal, source: Image, settings: ImageSettings) -> Image:
    name = copy_name(work.connection, who, source.name) if settings.name is None else settings.name
    image = images.new_image(region, who, settings, name)
    mappings = tuple(
        replace(mapping, snapshot_id=region.ids.new(ids.SNAPSHOT) if mapping.snapshot_id else None)
        for mapping in source.mappings
    )
    return replace(
        image,
        state=ImageState.PENDING,
        description=source.description if settings.description is None else settings.description,
        mappings=mappings,
        architecture=source.architecture,
        boot_modes=image.boot_modes if settings.boot_modes else source.boot_modes,
        root_device_name=source.root_device_name,
        product_codes=product_codes.chosen(
            work.connection, who, settings.product_codes, source.product_codes
        ),
        tpm_mandatory=source.tpm_mandatory if settings.tpm_mandatory is None else settings.tpm_mandatory,
        secure_boot=source.secure_boot,
        vm_attributes=source.vm_attributes,
        consistency=source.consistency,
        guest_pause_seconds=source.guest_pause_seconds,
        source_image_id=source.image_id,
    )


def copy_name(connection: Transaction, who: Principal, source_name: str) -> str:
    """`<source name>-copyN`, with the first N that is free, cut to the longest name allowed."""
    number = 1
    while True:
        suffix = f"-copy{number}"
        name = source_name[: 128 - len(suffix)] + suffix
        if image_records.named(connection, who.account_id, name) is None:
            return name
        number += 1


def _copied_snapshot(work: Work, image: Image, original: ImageMapping, mapping: ImageMapping) -> Snapshot:
    source = snapshots.get(work.connection, original.snapshot_id or "")
    return Snapshot(
        snapshot_id=mapping.snapshot_id or "",
        account_id=image.account_id,
        volume_id=None,
        volume_size_gib=source.volume_size_gib if source else mapping.volume_size_gib,
        state=SnapshotState.IN_QUEUE,
        progress_percent=0,
        description=f"Copied by CreateImage({image.source_image_id}) for {image.image_id}",
        creation_date=image.creation_date,
        product_codes=_codes_of_copy(image, mapping, source.product_codes if source else ()),
        source_snapshot_id=original.snapshot_id,
        image_id=image.image_id,
    )


def _codes_of_copy(image: Image, mapping: ImageMapping, of_source: tuple[str, ...]) -> tuple[str, ...]:
    """A copy's root snapshot carries the copy's licences too, so that registering it again keeps them."""
    licences = (
        product_codes.licences(image.product_codes) if mapping.device_name == image.root_device_name else ()
    )
    return tuple(sorted({*of_source, *licences}))
