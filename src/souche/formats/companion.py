"""The object beside the manifest: what an image has and the manifest has no room for.

The manifest stays what any OUTSCALE importer reads. An importer of Souche finds this object by the user metadata
of the manifest's object (`METADATA_KEY`, a pre-signed URL), and verifies every disk by it; without it an image
arrives unverified, with the usual boot mode. docs/formats.md specifies it.
"""

import re
from dataclasses import dataclass
from typing import Final, cast, get_args

from souche.formats.json_fields import Fields, read_object, write_object
from souche.model.images import BootMode, Lineage, VmAttributes
from souche.refusals import UnknownManifestVersion

VERSION: Final = 1
METADATA_KEY: Final = "souche-companion"
"""The response header is `x-amz-meta-` and this."""
SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class CompanionDisk:
    """The checksums of one disk. `disk_tree_sha256` is the tree hash of the virtual disk (`tree_hash`), whatever
    format the object has; `object_sha256` that of the object as it lies in the bucket."""

    filename: str
    disk_bytes: int
    disk_tree_sha256: str
    object_bytes: int
    object_sha256: str


@dataclass(frozen=True)
class Companion:
    """Everything about an exported image that its manifest does not say."""

    disks: tuple[CompanionDisk, ...]
    lineage: Lineage
    boot_modes: tuple[BootMode, ...] = ("legacy",)
    tpm_mandatory: bool = False
    secure_boot: bool = False
    vm_attributes: VmAttributes | None = None


def write_companion(companion: Companion) -> bytes:
    """The companion as JSON."""
    image: dict[str, object] = {
        "BootModes": list(companion.boot_modes),
        "TpmMandatory": companion.tpm_mandatory,
        "SecureBoot": companion.secure_boot,
        "VmAttributes": _write_attributes(companion.vm_attributes),
        "Lineage": _write_lineage(companion.lineage),
    }
    disks = [_write_disk(disk) for disk in companion.disks]
    return write_object({"SoucheCompanion": VERSION, "Image": image, "Disks": disks})


def _write_disk(disk: CompanionDisk) -> dict[str, object]:
    return {
        "Filename": disk.filename,
        "DiskBytes": disk.disk_bytes,
        "DiskTreeSha256": disk.disk_tree_sha256,
        "ObjectBytes": disk.object_bytes,
        "ObjectSha256": disk.object_sha256,
    }


def _write_lineage(lineage: Lineage) -> dict[str, object]:
    return {
        "Region": lineage.region,
        "ImageId": lineage.image_id,
        "CreationDate": lineage.creation_date,
        "SourceImageId": lineage.source_image_id,
        "SourceVmId": lineage.source_vm_id,
    }


def _write_attributes(attributes: VmAttributes | None) -> dict[str, object] | None:
    if attributes is None:
        return None
    return {
        "DeletionProtection": attributes.deletion_protection,
        "ShutdownBehavior": attributes.shutdown_behavior,
        "Performance": attributes.performance,
        "BootMode": attributes.boot_mode,
    }


def read_companion(data: bytes) -> Companion:
    """Read a companion. Later versions add keys; one that changes a meaning has another number.

    Raises:
        NotJson: it is not a JSON object.
        UnknownManifestVersion: its version is not known.
        BadManifest: a value is missing or wrong; says which.
    """
    top = read_object(data)
    version = top.need("SoucheCompanion", int)
    if version != VERSION:
        raise UnknownManifestVersion(version=f"SoucheCompanion {version}")
    image = top.fields("Image")
    return Companion(
        disks=tuple(_read_disk(disk) for disk in top.each("Disks")),
        lineage=_read_lineage(image.fields("Lineage")),
        boot_modes=_boot_modes(image),
        tpm_mandatory=image.need("TpmMandatory", bool),
        secure_boot=image.need("SecureBoot", bool),
        vm_attributes=_read_attributes(image),
    )


def _read_disk(disk: Fields) -> CompanionDisk:
    return CompanionDisk(
        filename=disk.need("Filename", str),
        disk_bytes=disk.need("DiskBytes", int),
        disk_tree_sha256=_sha256(disk, "DiskTreeSha256"),
        object_bytes=disk.need("ObjectBytes", int),
        object_sha256=_sha256(disk, "ObjectSha256"),
    )


def _read_lineage(lineage: Fields) -> Lineage:
    return Lineage(
        region=lineage.need("Region", str),
        image_id=lineage.need("ImageId", str),
        creation_date=lineage.need("CreationDate", str),
        source_image_id=lineage.get("SourceImageId", str),
        source_vm_id=lineage.get("SourceVmId", str),
    )


def _read_attributes(image: Fields) -> VmAttributes | None:
    if image.get("VmAttributes", dict) is None:
        return None
    attributes = image.fields("VmAttributes")
    return VmAttributes(
        deletion_protection=attributes.need("DeletionProtection", bool),
        shutdown_behavior=attributes.need("ShutdownBehavior", str),
        performance=attributes.need("Performance", str),
        boot_mode=_boot_mode(attributes, "BootMode", attributes.get("BootMode", str)),
    )


def _boot_modes(image: Fields) -> tuple[BootMode, ...]:
    modes = (_boot_mode(image, "BootModes", mode) for mode in image.texts("BootModes"))
    return tuple(mode for mode in modes if mode is not None)


def _boot_mode(fields: Fields, key: str, mode: str | None) -> BootMode | None:
    if mode is not None and mode not in get_args(BootMode):
        raise fields.bad(key, f"{' or '.join(get_args(BootMode))} is expected")
    return cast("BootMode | None", mode)


def _sha256(disk: Fields, key: str) -> str:
    digest = disk.need(key, str)
    if SHA256.fullmatch(digest) is None:
        raise disk.bad(key, "64 lowercase hexadecimal digits are expected")
    return digest
