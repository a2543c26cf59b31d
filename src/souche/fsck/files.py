"""Missing files and folders that every served region has."""

from collections.abc import Iterator
from typing import Final

from souche.db import buckets
from souche.fsck.findings import Finding, Level
from souche.fsck.look import Observation

MADE: Final = "the next start of `souche serve` makes it again"
SIGNING_KEY: Final = "put it back from a backup: the next start makes another key"
OBJECTS: Final = (
    "mount its file system, or put it back; if what was in it is lost, make an empty folder in its place, to start"
    " without it"
)


def check(look: Observation) -> Iterator[Finding]:
    """All except databases and disks, which have their own checks."""
    region = look.region
    if region.key_fingerprint and not region.signing_key.exists():
        what = f"it is missing: the region signed as {region.key_fingerprint}"
        yield Finding("SigningKeyMissing", region.signing_key.name, what, advice=SIGNING_KEY)
    objects = region.objects_data
    if objects is not None and not objects.is_dir() and (names := buckets.every(look.connection)):
        what = f"it is missing, with the objects of {len(names)} buckets"
        yield Finding("ObjectsMissing", f"oos/{objects.name}", what, advice=OBJECTS)
    for file in (region.region_id, region.journal, region.staging):
        if region.was_served and not file.exists():
            yield Finding("FileMissing", file.name, "it is missing", Level.LEFTOVER, advice=MADE)
