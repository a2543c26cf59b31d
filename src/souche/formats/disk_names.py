"""The format that the name of a disk file declares: `snap-0000000a.raw.gz` is a raw disk inside gzip.

A guest can write any bytes to its disk, so a raw disk may begin like any other format. The exporter gives the name, so
a name that declares raw takes precedence over the bytes.
"""

from collections.abc import Iterable
from typing import Final

from souche.model.disk_imports import SaidOfDisk, SourceFormat

FORMATS: Final[dict[str, SourceFormat]] = {
    "qcow2": "qcow2",
    "raw": "raw",
    "vmdk": "vmdk",
    "vhd": "vhd",
    "vhdx": "vhdx",
    "ova": "ova",
}
"""by the suffix of a name. `.img` declares no format: clouds use it for qcow2 and raw disks"""
GZIP: Final = ".gz"


def said_by(name: str) -> SaidOfDisk:
    """The declaration in one name. A known suffix without `.gz` also declares that the disk is not inside gzip."""
    lower = name.lower()
    packed = lower.endswith(GZIP)
    stem, _, end = lower.removesuffix(GZIP).rpartition(".")
    disk_format = FORMATS.get(end) if stem else None
    return SaidOfDisk(disk_format, packed if packed or disk_format else None)


def said_by_any(names: Iterable[str]) -> SaidOfDisk:
    """The first name that states a format; otherwise, whether any states gzip."""
    found = [said_by(name) for name in names]
    known = (said for said in found if said.format)
    return next(known, SaidOfDisk(gzip=True if any(said.gzip for said in found) else None))
