"""Images imported by a manifest: another region's export, or one written by hand (reference sections 2 and 4).

The request reads the manifest and refuses everything that is wrong with it. The workflow downloads the disks
afterwards.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

import structlog

from souche import ids
from souche.app import block_devices, image_copies, image_pages, images, product_codes, quotas, tags
from souche.app.context.region import Region, Work
from souche.app.images import ImageSettings
from souche.db import disk_imports, snapshots
from souche.db import images as image_records
from souche.db.transactions import Transaction
from souche.errors import UserError
from souche.formats.companion import CompanionDisk, Signer
from souche.formats.disk_names import said_by_any
from souche.formats.manifest import ManifestDisk
from souche.model.accounts import Principal
from souche.model.disk_imports import Checksums, DiskImport, SaidOfDisk, SourceFormat
from souche.model.images import Image, ImageMapping, SignedBy, VmAttributes
from souche.model.snapshots import Snapshot
from souche.model.vms import PERFORMANCES, SHUTDOWN_BEHAVIORS
from souche.operations.images import import_image_from_manifest
from souche.room import GIB
from souche.states import ImageState, SnapshotState
from souche.transfer.import_manifest import ExportedImage, fetch_manifest, path_of, without_query
from souche.value_refusals import BadManifest, MissingParameter, UntrustedExport
from souche.words import Phrase, Term

OLD_DEVICE_NAME: Final = re.compile(r"/dev/sda([2-9])")
"""device name of a second disk, as in the published sample (reference section 4)"""
PRODUCT_CODE: Final = re.compile(r"[A-Za-z0-9-]{1,16}")
TEXT_LENGTH: Final = 255

log = structlog.get_logger()


@dataclass(frozen=True)
class FromManifest:
    """An image from the disks of the manifest at a URL. `settings` override the manifest; `disk_format` is the format
    of its disks (None: declared by their names)."""

    settings: ImageSettings
    location: str
    disk_format: SourceFormat | None = None


def create(region: Region, who: Principal, command: FromManifest) -> Image:
    """Request an image. It is `pending` until all its disks are imported. Without a name it takes the manifest's, with
    `-copyN` appended if that is taken.

    Raises:
        BadUrl, UrlUnreachable, NoSuchManifest, BadManifest, MissingParameter: no name anywhere.
        UntrustedExport: the region requires a signature by certain keys.
        NotSubscribed, BadImageName, ImageNameTaken, BadProductCodes, ValueTooLong, QuotaExceeded, OutOfSpace.
    """
    exported = fetch_manifest(region.fetcher, command.location)
    _check_signer(region, exported)
    _check(exported)
    with region.begin() as work:
        image = _image(region, work, who, command, exported)
        product_codes.check_subscribed(work.connection, who, image)
        region.room.ask()
        filled = [mapping for mapping in image.mappings if mapping.snapshot_id]
        made = [_snapshot(image, mapping) for mapping in filled]
        quotas.check(work, who, quotas.of_image(made))
        images.write(work, image)
        _tag(region, work, image, exported)
        for snapshot in made:
            snapshots.insert(work.connection, snapshot)
        for disk, mapping in zip(exported.manifest.disks, filled, strict=True):
            disk_imports.insert(work.connection, _disk(region, command, exported, disk, mapping))
        work.operations.append(import_image_from_manifest(image))
    _note_boot_mode(image)
    return image_pages.seen_by(region, who, image)


def operation_id(image: Image) -> str:
    """The id of the workflow that takes the disks in."""
    return import_image_from_manifest(image).operation_id


def progress(region: Region, image: Image) -> tuple[int, int | None]:
    """The received bytes of an image's disks, and the total; None until every server has announced its length."""
    with region.store.read() as connection:
        disks = disk_imports.of_subject(connection, image.image_id)
    totals = [disk.total_bytes for disk in disks]
    total = None if None in totals else sum(each for each in totals if each is not None)
    return sum(disk.received_bytes for disk in disks), total


def _check_signer(region: Region, exported: ExportedImage) -> None:
    if not region.required_keys:
        return
    signer = exported.companion.signer if exported.companion else None
    if signer is None:
        raise UntrustedExport(reason="this export is not signed")
    if signer.key not in region.required_keys:
        raise UntrustedExport(reason=f"this one is signed by {signer.key.fingerprint}")


def _check(exported: ExportedImage) -> None:
    for code in exported.manifest.product_codes:
        if PRODUCT_CODE.fullmatch(code) is None:
            raise BadManifest(reason=f"Image.ProductTypes: '{code[:TEXT_LENGTH]}' is not a product code")
    if exported.companion is None:
        return
    attributes = exported.companion.vm_attributes or VmAttributes()
    if attributes.shutdown_behavior not in (None, *SHUTDOWN_BEHAVIORS) or attributes.performance not in (
        None,
        *PERFORMANCES,
    ):
        raise BadManifest(reason="the companion's VmAttributes have values that are not valid for a VM")
    texts = [*vars(exported.companion.lineage).values()]
    if exported.companion.signer:
        texts += exported.companion.signer.region_id, exported.companion.signer.region
    if any(len(text) > TEXT_LENGTH for text in texts if text is not None):
        raise BadManifest(reason="the companion's Lineage or Signer is too long")


def _tag(region: Region, work: Work, image: Image, exported: ExportedImage) -> None:
    """Give the image its tags from before the export.

    Raises:
        BadManifest: tags cannot have these values.
    """
    pairs = dict(exported.companion.tags) if exported.companion else {}
    try:
        tags.put_new(work.connection, image.account_id, [image.image_id], pairs, region.clock.now())
    except UserError as error:
        raise BadManifest(reason=Phrase("the companion's Tags: {error}", error=error)) from error


def _image(
    region: Region, work: Work, who: Principal, command: FromManifest, exported: ExportedImage
) -> Image:
    manifest, settings = exported.manifest, command.settings
    image = images.new_image(region, who, settings, _name(work.connection, who, command, exported))
    image = replace(
        image,
        state=ImageState.PENDING,
        description=manifest.description if settings.description is None else settings.description,
        mappings=_mappings(region, exported),
        architecture=manifest.architecture,
        product_codes=product_codes.chosen(
            work.connection, who, settings.product_codes, manifest.product_codes
        ),
        file_location=without_query(command.location),
        sealed_location=_sealed_location(region, command.location),
    )
    return _with_companion(region, image, settings, exported)


def _with_companion(region: Region, image: Image, settings: ImageSettings, exported: ExportedImage) -> Image:
    companion = exported.companion
    if companion is None:
        return image
    pause = companion.guest_pause_microseconds
    return replace(
        image,
        boot_modes=image.boot_modes if settings.boot_modes else companion.boot_modes or image.boot_modes,
        tpm_mandatory=companion.tpm_mandatory if settings.tpm_mandatory is None else settings.tpm_mandatory,
        secure_boot=companion.secure_boot,
        vm_attributes=companion.vm_attributes,
        lineage=replace(companion.lineage, signed_by=_signed_by(region, companion.signer)),
        consistency=companion.consistency,
        guest_pause_seconds=None if pause is None else pause / 1_000_000,
    )


def _note_boot_mode(image: Image) -> None:
    """Note that a boot mode for VMs was left out (`images.write`)."""
    wanted = image.vm_attributes.boot_mode if image.vm_attributes else None
    if wanted is not None and wanted not in image.boot_modes:
        boots_by = ", ".join(image.boot_modes)
        log.warning(
            "boot mode for VMs left out", image_id=image.image_id, boot_mode=wanted, image_boots_by=boots_by
        )


def _signed_by(region: Region, signer: Signer | None) -> SignedBy | None:
    if signer is None:
        return None
    trusted = signer.key in region.required_keys
    return SignedBy(signer.region_id, signer.region, signer.key.fingerprint, trusted)


def _name(connection: Transaction, who: Principal, command: FromManifest, exported: ExportedImage) -> str:
    if command.settings.name is not None:
        return command.settings.name
    name = exported.manifest.name
    if name is None:
        raise MissingParameter(parameter=Term.IMAGE_NAME)
    if image_records.named(connection, who.account_id, name) is None:
        return name
    return image_copies.copy_name(connection, who, name)


def _sealed_location(region: Region, location: str) -> str | None:
    """The sealed URL, if it has a query, which may be a signature."""
    return region.vault.seal(location).decode() if "?" in location else None


def _mappings(region: Region, exported: ExportedImage) -> tuple[ImageMapping, ...]:
    mappings = [_mapping(region, disk) for disk in exported.manifest.disks]
    empty = exported.companion.empty_volumes if exported.companion else ()
    for volume in sorted(empty, key=lambda each: each.position):
        mapping = replace(volume.mapping, device_name=_device_name(volume.mapping.device_name))
        mappings.insert(min(max(0, volume.position), len(mappings)), mapping)
    try:
        block_devices.check_distinct([mapping.device_name for mapping in mappings])
        block_devices.check_number(mappings)
        for mapping in mappings:
            _check_mapping(mapping)
    except UserError as error:
        raise BadManifest(reason=Phrase("Image.Snapshots: {error}", error=error)) from error
    return tuple(mappings)


def _check_mapping(mapping: ImageMapping) -> None:
    block_devices.check_device_name(mapping.device_name)
    block_devices.check_volume(
        mapping.volume_size_gib, mapping.volume_type, mapping.iops, device_name=mapping.device_name
    )


def _mapping(region: Region, disk: ManifestDisk) -> ImageMapping:
    return ImageMapping(
        device_name=_device_name(disk.device_name),
        snapshot_id=region.ids.new(ids.SNAPSHOT),
        volume_size_gib=-(-disk.size_bytes // GIB),
        volume_type=disk.volume_type,
        iops=disk.iops if disk.volume_type == "io1" else None,
        delete_on_vm_deletion=disk.delete_on_vm_deletion,
    )


def _device_name(name: str) -> str:
    """/dev/sda2, which no VM can have, is /dev/xvdb."""
    old = OLD_DEVICE_NAME.fullmatch(name)
    return f"/dev/xvd{chr(ord('a') + int(old[1]) - 1)}" if old else name


def _snapshot(image: Image, mapping: ImageMapping) -> Snapshot:
    """The root's carries the image's licences, so that they are not shed by registering it again."""
    root = mapping.device_name == image.root_device_name
    return Snapshot(
        snapshot_id=mapping.snapshot_id or "",
        account_id=image.account_id,
        volume_id=None,
        volume_size_gib=mapping.volume_size_gib,
        state=SnapshotState.IN_QUEUE,
        progress_percent=0,
        description=f"Imported by CreateImage for {image.image_id}",
        creation_date=image.creation_date,
        product_codes=image.product_codes if root else product_codes.DEFAULT,
        image_id=image.image_id,
    )


def _disk(
    region: Region, command: FromManifest, exported: ExportedImage, disk: ManifestDisk, mapping: ImageMapping
) -> DiskImport:
    checksums = exported.checksums_of(disk)
    said = _said(command, disk)
    return DiskImport(
        snapshot_id=mapping.snapshot_id or "",
        device_name=mapping.device_name,
        sealed_url=region.vault.seal(disk.url),
        most_bytes=disk.size_bytes,
        disk_format=said.format,
        gzip=said.gzip,
        checksums=_checksums(checksums) if checksums else None,
    )


def _said(command: FromManifest, disk: ManifestDisk) -> SaidOfDisk:
    """The disk's format: the caller's word, else that of its name in the manifest (`snap-….qcow2.gz`) or in its URL."""
    said = said_by_any([disk.filename or "", path_of(disk.url)])
    return SaidOfDisk(command.disk_format, bool(said.gzip)) if command.disk_format else said


def _checksums(disk: CompanionDisk) -> Checksums:
    return Checksums(disk.disk_bytes, disk.object_bytes, disk.object_sha256, disk.disk_tree_sha256)
