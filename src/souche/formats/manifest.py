"""The manifest of an exported image, Version 1, which every OUTSCALE region's importer reads.

Source: reference section 4, "Manifest JSON" (docs.outscale.com, Manifest File Reference). It is written exactly so, and
read leniently: unknown keys are ignored (older samples have CompressedSize, Ordering and User), and values with a usual
default may be missing. docs/formats.md specifies it.
"""

import hashlib
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from souche.formats.canonical_json import canonical
from souche.formats.json_fields import Fields, read_object, write_object
from souche.model.images import ROOT_DEVICE_NAME, Architecture
from souche.value_refusals import BadManifest, UnknownManifestVersion

VERSION: Final = 1
MOST_BYTES: Final = 1024 * 1024
"""limit for a manifest: 256 disks with long URLs take half of it"""
VOLUME_TYPES: Final = ("standard", "gp2", "io1")


@dataclass(frozen=True)
class ManifestDisk:
    """One device mapping and the URL of its disk. `size_bytes` is the size of the volume to make, not of the object:
    the disk's size, or more. `filename` is the last part of the object's key."""

    device_name: str
    url: str
    size_bytes: int
    filename: str | None
    volume_type: str = "standard"
    iops: int | None = None
    delete_on_vm_deletion: bool = True


@dataclass(frozen=True)
class Manifest:
    """An image on its way between regions. It has at least one disk, the root's."""

    name: str | None
    description: str
    product_codes: tuple[str, ...]
    disks: tuple[ManifestDisk, ...]
    architecture: Architecture = "x86_64"
    public: bool = False


def write_manifest(manifest: Manifest) -> bytes:
    """The manifest as JSON."""
    image: dict[str, object] = {
        "Name": manifest.name,
        "Description": manifest.description,
        "Architecture": manifest.architecture,
        "Type": "machine",
        "ProductTypes": list(manifest.product_codes),
        "Public": manifest.public,
        "Snapshots": [_write_disk(disk) for disk in manifest.disks],
    }
    if manifest.name is None:
        del image["Name"]
    return write_object({"Version": VERSION, "Image": image})


def _write_disk(disk: ManifestDisk) -> dict[str, object]:
    return {
        "Device": disk.device_name,
        "PreSignedUrl": disk.url,
        "Size": disk.size_bytes,
        "VolumeType": disk.volume_type,
        "Iops": disk.iops,
        "DeleteOnTermination": disk.delete_on_vm_deletion,
        "Filename": disk.filename,
    }


def with_urls(data: bytes, url_of: Callable[[ManifestDisk], str]) -> bytes:
    """The same manifest with another URL for each disk. Unknown keys stay.

    Raises:
        See `read_manifest`; and the errors of `url_of`.
    """
    disks = read_manifest(data).disks
    document = read_object(data)
    for disk, values in zip(disks, document.fields("Image").need("Snapshots", list), strict=True):
        values["PreSignedUrl"] = url_of(disk)
    return write_object(document.values)


def digest(data: bytes) -> str:
    """The hash of a manifest in its companion: SHA-256, as hex, of its canonical text without the URLs of its disks.
    The URLs are renewed, and each disk has its own hash.

    Raises:
        NotJson: it is not a JSON object, or has a number with a fraction.
    """
    values = dict(read_object(data).values)
    if isinstance(values.get("Image"), dict):
        image = dict(cast("dict[str, Any]", values["Image"]))
        if isinstance(image.get("Snapshots"), list):
            image["Snapshots"] = [_without_url(disk) for disk in image["Snapshots"]]
        values["Image"] = image
    return hashlib.sha256(canonical(values)).hexdigest()


def _without_url(disk: Any) -> Any:
    return (
        {key: value for key, value in disk.items() if key != "PreSignedUrl"}
        if isinstance(disk, dict)
        else disk
    )


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        NotJson: it is not a JSON object.
        UnknownManifestVersion: its Version is not 1.
        BadManifest: a value is missing or wrong; says which.
    """
    if len(data) > MOST_BYTES:
        raise BadManifest(reason=f"it has {len(data)} bytes, more than {MOST_BYTES}")
    top = read_object(data)
    version = top.need("Version", int)
    if version != VERSION:
        raise UnknownManifestVersion(version=version)
    return _read_image(top.fields("Image"))


def _read_image(image: Fields) -> Manifest:
    if image.get("Type", str) not in (None, "machine"):
        raise image.bad("Type", "only 'machine' is known")
    disks = tuple(_read_disk(disk) for disk in image.each("Snapshots"))
    _check_devices(image, [disk.device_name for disk in disks])
    return Manifest(
        name=image.get("Name", str),
        description=image.get("Description", str) or "",
        product_codes=image.texts("ProductTypes"),
        disks=disks,
        architecture=_architecture(image),
        public=image.get("Public", bool) or False,
    )


def _read_disk(disk: Fields) -> ManifestDisk:
    filename = disk.get("Filename", str)
    return ManifestDisk(
        device_name=disk.need("Device", str),
        url=disk.need("PreSignedUrl", str),
        size_bytes=_size(disk),
        filename=posixpath.basename(filename) if filename else None,
        volume_type=_volume_type(disk),
        iops=disk.get("Iops", int),
        delete_on_vm_deletion=disk.get("DeleteOnTermination", bool) is not False,
    )


def _check_devices(image: Fields, names: list[str]) -> None:
    if ROOT_DEVICE_NAME not in names:
        raise image.bad("Snapshots", f"none of them has the Device {ROOT_DEVICE_NAME}")
    if len(set(names)) != len(names):
        raise image.bad("Snapshots", "a Device is named more than once")


def _architecture(image: Fields) -> Architecture:
    architecture = image.get("Architecture", str) or "x86_64"
    if architecture not in get_args(Architecture):
        raise image.bad("Architecture", f"one of {', '.join(get_args(Architecture))} is expected")
    return cast("Architecture", architecture)


def _volume_type(disk: Fields) -> str:
    volume_type = disk.get("VolumeType", str) or "standard"
    if volume_type not in VOLUME_TYPES:
        raise disk.bad("VolumeType", f"one of {', '.join(VOLUME_TYPES)} is expected")
    return volume_type


def _size(disk: Fields) -> int:
    size_bytes = disk.need("Size", int)
    if size_bytes <= 0:
        raise disk.bad("Size", "a positive number of bytes is expected")
    return size_bytes
