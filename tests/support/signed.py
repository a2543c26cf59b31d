"""Signed exports on a web server, as another region writes them to a bucket, and as an attacker in between alters
them."""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from souche.formats.companion import (
    HASH_KEY,
    METADATA_KEY,
    Companion,
    CompanionDisk,
    Signer,
    sha256_of,
    sign_companion,
)
from souche.formats.manifest import digest
from souche.signing import SigningKey
from tests.support.bucket import bucket
from tests.support.exported import LINEAGE, MIB, SYSTEM, disk, manifest, put_disk
from tests.support.tree_hash import tree_hash_by_botocore

NAME: Final = "snap-0000abcd-00000001.raw"
ABROAD: Final = "99999999-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Export:
    """The three objects of an export of one disk, SYSTEM. `put` stores their current state."""

    manifest: bytes
    companion: bytes
    disk: bytes = SYSTEM

    def put(self, *, hash_header: bool = True) -> str:
        """The URL of the manifest."""
        url = bucket().put("companion.json", self.companion)
        headers = {f"x-amz-meta-{METADATA_KEY}": url}
        if hash_header:
            headers[f"x-amz-meta-{HASH_KEY}"] = sha256_of(self.companion)
        return bucket().put("manifest.json", self.manifest, headers=headers)

    def put_without_companion(self) -> str:
        """The URL of the manifest, without a companion."""
        return bucket().put("manifest.json", self.manifest)

    def with_manifest(self, change: Callable[[dict[str, Any]], object]) -> "Export":
        """With another manifest."""
        return replace(self, manifest=_changed(self.manifest, change))

    def with_companion(self, change: Callable[[dict[str, Any]], object]) -> "Export":
        """With another companion, which keeps the old signature."""
        return replace(self, companion=_changed(self.companion, change))


def _changed(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(data)
    change(document)
    return json.dumps(document, indent=2).encode()


def export(key: SigningKey, data: bytes = SYSTEM, *, name: str = "exported", **companion: Any) -> Export:
    """A valid export; `companion` has additional keys of its companion."""
    listed = manifest(disk(put_disk(data, NAME), Filename=NAME), Name=name)
    known = CompanionDisk(
        filename=NAME,
        disk_bytes=4 * MIB,
        disk_tree_sha256=tree_hash_by_botocore(io.BytesIO(SYSTEM)),
        object_bytes=len(SYSTEM),
        object_sha256=hashlib.sha256(SYSTEM).hexdigest(),
    )
    signer = Signer(ABROAD, LINEAGE.region, key.public)
    whole: dict[str, Any] = {"manifest_sha256": digest(listed), "signer": signer} | companion
    return Export(listed, sign_companion(Companion((known,), LINEAGE, **whole), key), data)
