"""Exported images in a bucket, as another region writes them: manifest, companion, disks."""

import gzip
import hashlib
import io
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from souche.formats.companion import METADATA_KEY, Companion, CompanionDisk, write_companion
from souche.model.images import Lineage
from tests.support.bucket import bucket
from tests.support.tree_hash import tree_hash_by_botocore

MIB = 1024 * 1024
SYSTEM = b"the imported system".ljust(510, b"\0") + b"\x55\xaa" + bytes(4 * MIB - 512)
"""With the signature of a partition table, so that it is recognised as a raw disk."""
LINEAGE = Lineage("eu-west-2", "ami-0000abcd", "2026-11-20T08:00:00.000Z", "ami-0000abcc", "i-0000abcd")


def qcow2(content: bytes, *options: str) -> bytes:
    """The content as a qcow2 file, by qemu-img."""
    return image_file(content, "qcow2", *options)


def image_file(content: bytes, disk_format: str, *options: str) -> bytes:
    """The content as a disk image file, by qemu-img."""
    with tempfile.TemporaryDirectory() as place:
        raw, made = Path(place) / "disk.raw", Path(place) / "disk"
        raw.write_bytes(content)
        argv = ["qemu-img", "convert", "-f", "raw", "-O", disk_format, *options, str(raw), str(made)]
        subprocess.run(argv, check=True, capture_output=True)
        return made.read_bytes()


def packed(data: bytes) -> bytes:
    """Compressed with Python's gzip."""
    return gzip.compress(data, 1, mtime=0)


def put_disk(data: bytes, name: str = "disk", **how: Any) -> str:
    """The URL of a disk."""
    return bucket().put(name, data, **how)


def disk(url: str, **changes: object) -> dict[str, object]:
    """A disk in a manifest, with the additional keys of older regions."""
    return {
        "Device": "/dev/sda1",
        "PreSignedUrl": url,
        "Size": 4 * MIB,
        "VolumeType": "standard",
        "Iops": None,
        "DeleteOnTermination": True,
        "CompressedSize": 17,
        "Ordering": 0,
    } | changes


def manifest(*disks: Mapping[str, object], **changes: object) -> bytes:
    """A hand-written manifest."""
    image = {
        "Name": "exported",
        "Description": "of another region",
        "Architecture": "x86_64",
        "Type": "machine",
        "ProductTypes": ["0001"],
        "Public": True,
        "User": "123456789012",
        "Snapshots": list(disks),
    }
    return json.dumps({"Version": 1, "Image": image | changes, "Comment": "by hand"}).encode()


def put_manifest(*disks: Mapping[str, object], **changes: object) -> str:
    """The URL of a manifest of these disks; by default one valid disk."""
    chosen = disks or (disk(put_disk(packed(SYSTEM))),)
    return bucket().put("manifest.json", manifest(*chosen, **changes))


def put_with_companion(data: bytes, companion: Mapping[str, Any], **changes: object) -> str:
    """The URL of a manifest of one root disk, SYSTEM, with a companion, to which `changes` are applied."""
    known = {
        "disk_bytes": 4 * MIB,
        "disk_tree_sha256": tree_hash_by_botocore(io.BytesIO(SYSTEM)),
        "object_bytes": len(data),
        "object_sha256": hashlib.sha256(data).hexdigest(),
    }
    name = "snap-0000abcd-00000001.qcow2.gz"
    beside = Companion((CompanionDisk(name, **(known | changes)),), LINEAGE, **companion)  # type: ignore[arg-type]
    url = bucket().put("companion.json", write_companion(beside))
    wanted = disk(put_disk(data, name), Filename=name)
    return bucket().put("manifest.json", manifest(wanted), headers={f"x-amz-meta-{METADATA_KEY}": url})
