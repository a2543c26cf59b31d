"""The object beside the manifest: the data of an image that the manifest cannot hold, and the signature of both.

Any OUTSCALE importer can read the manifest. Souche's importer finds the companion by the user metadata of the
manifest's object (`METADATA_KEY`, a pre-signed URL), and verifies every disk with it. Without a companion an image is
imported unverified, with the default boot mode. docs/formats.md specifies it.

The exporting region signs the canonical text of the whole companion except the signature. The companion contains the
hashes of the manifest and of every disk, so the signature covers them all.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast, get_args

from souche.formats.canonical_json import canonical
from souche.formats.json_fields import Fields, read_object, write_object
from souche.formats.manifest import VOLUME_TYPES
from souche.model.images import BootMode, Consistency, ImageMapping, Lineage, VmAttributes
from souche.room import GIB
from souche.signing import BadPublicKey, PublicKey, SigningKey
from souche.value_refusals import BadManifest, BadSignature, UnknownManifestVersion

VERSION: Final = 1
METADATA_KEY: Final = "souche-companion"
"""The response header is `x-amz-meta-` followed by this key."""
HASH_KEY: Final = "souche-companion-sha256"
"""A second metadata key: the SHA-256 of the companion's bytes."""
SIGNATURE: Final = "Signature"
PURPOSE: Final = b"souche companion 1\n"
"""Prefix of the signed text, so that a signature for one purpose is not valid for another."""
MOST_BYTES: Final = 1024 * 1024
MOST_PAUSE_MICROSECONDS: Final = 24 * 3600 * 1000 * 1000
ATTRIBUTES: Final[Mapping[str, str]] = {
    "DeletionProtection": "deletion_protection",
    "ShutdownBehavior": "shutdown_behavior",
    "Performance": "performance",
    "BootMode": "boot_mode",
}
USUAL_ATTRIBUTES: Final[Mapping[str, object]] = {
    "DeletionProtection": False,
    "ShutdownBehavior": "stop",
    "Performance": "high",
    "BootMode": None,
}
"""for earlier releases, which do not know unset attributes"""
STATES: Final = ("crash-consistent", "quiesced", "at-rest")
SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class CompanionDisk:
    """The checksums of one disk. `disk_tree_sha256` is the tree hash of the virtual disk (`tree_hash`), for any format
    of the object. `object_sha256` is that of the object in the bucket."""

    filename: str
    disk_bytes: int
    disk_tree_sha256: str
    object_bytes: int
    object_sha256: str


@dataclass(frozen=True)
class EmptyVolume:
    """A mapping without a snapshot, and its position among all mappings of the image."""

    position: int
    mapping: ImageMapping


@dataclass(frozen=True)
class Signer:
    """The region that has signed, as it calls itself, and its key."""

    region_id: str
    region: str
    key: PublicKey


@dataclass(frozen=True)
class Companion:
    """The data of an exported image that its manifest cannot hold. `manifest_sha256` is the hash of the manifest
    (`manifest.digest`). A companion that was read has a `signer` only if the signature is by that key."""

    disks: tuple[CompanionDisk, ...]
    lineage: Lineage
    boot_modes: tuple[BootMode, ...] = ("legacy",)
    tpm_mandatory: bool = False
    secure_boot: bool = False
    vm_attributes: VmAttributes | None = None
    tags: tuple[tuple[str, str], ...] = ()
    empty_volumes: tuple[EmptyVolume, ...] = ()
    consistency: Consistency | None = None
    guest_pause_microseconds: int | None = None
    manifest_sha256: str | None = None
    signer: Signer | None = None


def sign_companion(companion: Companion, key: SigningKey) -> bytes:
    """The companion as JSON, signed by its signer's key."""
    values = _document(companion)
    return write_object({**values, SIGNATURE: key.sign(_signed(values))})


def _signed(values: Mapping[str, object]) -> bytes:
    return PURPOSE + canonical({key: value for key, value in values.items() if key != SIGNATURE})


def write_companion(companion: Companion) -> bytes:
    """The companion as JSON, without a signature."""
    return write_object(_document(companion))


def _document(companion: Companion) -> dict[str, object]:
    image: dict[str, object] = {
        "BootModes": list(companion.boot_modes),
        "TpmMandatory": companion.tpm_mandatory,
        "SecureBoot": companion.secure_boot,
        "VmAttributes": _write_attributes(companion.vm_attributes),
        "VmAttributesSet": _attributes_set(companion.vm_attributes),
        "Lineage": _write_lineage(companion.lineage),
        "Tags": [{"Key": key, "Value": value} for key, value in companion.tags],
        "EmptyVolumes": [_write_volume(volume) for volume in companion.empty_volumes],
        "Consistency": _write_consistency(companion),
    }
    disks = [_write_disk(disk) for disk in companion.disks]
    document: dict[str, object] = {"SoucheCompanion": VERSION, "Image": image, "Disks": disks}
    if companion.manifest_sha256 is not None:
        document["Manifest"] = {"Sha256": companion.manifest_sha256}
    if companion.signer is not None:
        signer = companion.signer
        document["Signer"] = {
            "RegionId": signer.region_id,
            "Region": signer.region,
            "PublicKey": signer.key.text,
        }
    return document


def _write_volume(volume: EmptyVolume) -> dict[str, object]:
    mapping = volume.mapping
    return {
        "Position": volume.position,
        "Device": mapping.device_name,
        "Size": mapping.volume_size_gib * GIB,
        "VolumeType": mapping.volume_type,
        "Iops": mapping.iops,
        "DeleteOnTermination": mapping.delete_on_vm_deletion,
    }


def _write_consistency(companion: Companion) -> dict[str, object] | None:
    if companion.consistency is None:
        return None
    return {
        "State": companion.consistency.state,
        "OneInstant": companion.consistency.one_instant,
        "GuestPauseMicroseconds": companion.guest_pause_microseconds,
    }


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
        "ExportTaskId": lineage.export_task_id,
    }


def _write_attributes(attributes: VmAttributes | None) -> dict[str, object] | None:
    if attributes is None:
        return None
    values = {name: getattr(attributes, field) for name, field in ATTRIBUTES.items()}
    return {name: USUAL_ATTRIBUTES[name] if value is None else value for name, value in values.items()}


def _attributes_set(attributes: VmAttributes | None) -> list[str]:
    if attributes is None:
        return []
    return [name for name, field in ATTRIBUTES.items() if getattr(attributes, field) is not None]


def read_companion(data: bytes) -> Companion:
    """Read a companion. Later versions may add keys; a version that changes a meaning has another number.

    Raises:
        NotJson: it is not a JSON object.
        UnknownManifestVersion: its version is not known.
        BadSignature: its signature does not match.
        BadManifest: a value is missing or wrong; says which.
    """
    if len(data) > MOST_BYTES:
        raise BadManifest(reason=f"the companion has {len(data)} bytes, more than {MOST_BYTES}")
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
        tags=tuple((each.need("Key", str), each.need("Value", str)) for each in _list(image, "Tags")),
        empty_volumes=tuple(_read_volume(each) for each in _list(image, "EmptyVolumes")),
        consistency=_read_consistency(image),
        guest_pause_microseconds=_read_pause(image),
        manifest_sha256=_read_manifest_hash(top),
        signer=_read_signer(top),
    )


def _list(fields: Fields, key: str) -> list[Fields]:
    return [] if fields.get(key, list) is None else list(fields.each(key))


def _read_manifest_hash(top: Fields) -> str | None:
    return None if top.get("Manifest", dict) is None else _sha256(top.fields("Manifest"), "Sha256")


def _read_signer(top: Fields) -> Signer | None:
    """The signer; None: it is not signed.

    Raises:
        BadSignature.
    """
    signature = top.get(SIGNATURE, str)
    if signature is None and top.get("Signer", dict) is None:
        return None
    signer = top.fields("Signer")
    try:
        key = PublicKey.read(signer.need("PublicKey", str))
    except BadPublicKey as error:
        raise signer.bad("PublicKey", str(error)) from error
    if signature is None:
        raise BadSignature(reason="it names a signer but has no Signature")
    if not key.has_signed(_signed(top.values), signature):
        raise BadSignature(reason=f"its Signature by the key {key.fingerprint} does not match its content")
    return Signer(signer.need("RegionId", str), signer.need("Region", str), key)


def _read_volume(volume: Fields) -> EmptyVolume:
    size_bytes, volume_type = volume.need("Size", int), volume.need("VolumeType", str)
    if size_bytes <= 0:
        raise volume.bad("Size", "a positive number of bytes is expected")
    if volume_type not in VOLUME_TYPES:
        raise volume.bad("VolumeType", f"one of {', '.join(VOLUME_TYPES)} is expected")
    mapping = ImageMapping(
        device_name=volume.need("Device", str),
        snapshot_id=None,
        volume_size_gib=-(-size_bytes // GIB),
        volume_type=volume_type,
        iops=volume.get("Iops", int) if volume_type == "io1" else None,
        delete_on_vm_deletion=volume.get("DeleteOnTermination", bool) is not False,
    )
    return EmptyVolume(volume.need("Position", int), mapping)


def _read_consistency(image: Fields) -> Consistency | None:
    if image.get("Consistency", dict) is None:
        return None
    consistency = image.fields("Consistency")
    state = consistency.get("State", str)
    if state is not None and state not in STATES:
        raise consistency.bad("State", f"one of {', '.join(STATES)} is expected")
    return Consistency(cast("Any", state), consistency.get("OneInstant", bool))


def _read_pause(image: Fields) -> int | None:
    """Whole microseconds: signed values have no fractions."""
    if image.get("Consistency", dict) is None:
        return None
    pause = image.fields("Consistency").get("GuestPauseMicroseconds", int)
    if pause is not None and not 0 <= pause <= MOST_PAUSE_MICROSECONDS:
        raise image.bad("Consistency", "GuestPauseMicroseconds is out of range")
    return pause


def sha256_of(companion: bytes) -> str:
    """The hash of a companion's bytes, which the manifest's object names."""
    return hashlib.sha256(companion).hexdigest()


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
        export_task_id=lineage.get("ExportTaskId", str),
    )


def _read_attributes(image: Fields) -> VmAttributes | None:
    if image.get("VmAttributes", dict) is None:
        return None
    attributes = image.fields("VmAttributes")
    found = VmAttributes(
        deletion_protection=attributes.need("DeletionProtection", bool),
        shutdown_behavior=attributes.need("ShutdownBehavior", str),
        performance=attributes.need("Performance", str),
        boot_mode=_boot_mode(attributes, "BootMode", attributes.get("BootMode", str)),
    )
    if image.get("VmAttributesSet", list) is None:
        return found
    known = image.texts("VmAttributesSet")
    return replace(found, **{field: None for name, field in ATTRIBUTES.items() if name not in known})


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
