"""The gate for disks from outside (design 3.7). What passes here may be opened, by the format that is returned.

The first `HEAD_BYTES` of a disk are enough, so a stream is judged before the rest of it is read. OpenStack's
`format_inspector` (oslo.utils) tells formats apart and knows the traps of qcow2; to these come QEMU's own limits on
tables (block/qcow2.h), and what Souche does not take: encryption, internal snapshots, images marked corrupt.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from oslo_utils.imageutils import format_inspector

from souche.errors import Invalid
from souche.formats import qcow2, qcow2_claims
from souche.formats.qcow2 import IncompatibleFeature, Qcow2Header

DiskFormat = Literal["qcow2", "raw"]

HEAD_BYTES: Final = 512 * 1024
"""All that inspectors look at: a VHDX names its regions 192 KiB in, a VMDK its descriptor a little further."""
FOREIGN_FORMATS: Final = ("qed", "vdi", "vhd", "vhdx", "vmdk")
MAX_L1_BYTES: Final = 32 * 1024 * 1024
MAX_REFCOUNT_TABLE_BYTES: Final = 8 * 1024 * 1024
SECTOR_BYTES: Final = 512


class BadDisk(Invalid):
    """The disk is not valid: {reason}"""


class ForeignDiskFormat(BadDisk):
    """The disk has the format {format}; qcow2 and raw are supported, each also with gzip around it."""


class WrongDiskFormat(BadDisk):
    """The disk should have the format {expected}, and has {found}."""


class DiskHasBackingFile(BadDisk):
    """The qcow2 disk refers to a backing file; only a disk that stands alone can be taken in."""


class DiskHasDataFile(BadDisk):
    """The qcow2 disk keeps its data in an external file; only a disk that stands alone can be taken in."""


class DiskHasUnknownFeatures(BadDisk):
    """The qcow2 disk needs features that Souche does not take: {features}"""


class DiskIsEncrypted(BadDisk):
    """The qcow2 disk is encrypted."""


class DiskIsCorrupt(BadDisk):
    """The qcow2 disk is marked as corrupt or as in use: repair it with `qemu-img check -r all` first."""


class DiskHasSnapshots(BadDisk):
    """The qcow2 disk has {count} internal snapshots: convert it with `qemu-img convert` first."""


class DiskHeaderBroken(BadDisk):
    """The header of the qcow2 disk is broken: {reason}"""


class DiskTablesAbsurd(BadDisk):
    """The tables of the qcow2 disk cannot be right: {reason}"""


class WrongDiskSize(BadDisk):
    """The disk has {size_bytes} bytes, and {reason}"""


class DiskCutShort(BadDisk):
    """The disk is cut short: {reason}"""


class DiskSharesData(BadDisk):
    """The tables of the qcow2 disk name the same data more than once."""


class DiskExpands(BadDisk):
    """The disk expands to {data_bytes} bytes of data from {read_bytes}; no disk does that whose data are of use."""


@dataclass(frozen=True)
class InspectedDisk:
    """What a disk is. `size_bytes` is the size of a qcow2 disk as seen by a guest; None for raw, where it is the
    length of the stream."""

    format: DiskFormat
    size_bytes: int | None


def inspect_head(head: bytes, *, expected: DiskFormat | None, most_bytes: int) -> InspectedDisk:
    """Judge a disk by its first `HEAD_BYTES` (or all that there are). `most_bytes` is how large the disk may be,
    as seen by a guest; `expected` None: either format.

    Raises:
        BadDisk: it is not to be opened; the class says why.
    """
    found = _format(head)
    if expected is not None and found != expected:
        raise WrongDiskFormat(expected=expected, found=found)
    if found == "raw":
        return InspectedDisk("raw", None)
    return InspectedDisk("qcow2", _inspect_qcow2(head, most_bytes))


def inspect_file(path: Path, *, expected: DiskFormat | None, most_bytes: int) -> InspectedDisk:
    """Judge a file, and that it is whole.

    Raises:
        BadDisk: it is not to be opened; the class says why.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    disk = inspect_head(head, expected=expected, most_bytes=most_bytes)
    file_bytes = path.stat().st_size
    if disk.format == "raw":
        check_size(file_bytes, most_bytes)
        return InspectedDisk("raw", file_bytes)
    _check_whole(head, file_bytes)
    return disk


def check_size(size_bytes: int, most_bytes: int) -> None:
    """Refuse the size of a disk that is empty, odd or too large.

    Raises:
        WrongDiskSize: it is.
    """
    if size_bytes == 0:
        raise WrongDiskSize(size_bytes=size_bytes, reason="is empty.")
    if size_bytes % SECTOR_BYTES:
        raise WrongDiskSize(size_bytes=size_bytes, reason=f"is not made of sectors of {SECTOR_BYTES} bytes.")
    if size_bytes > most_bytes:
        raise WrongDiskSize(size_bytes=size_bytes, reason=f"should have at most {most_bytes}.")


def _format(head: bytes) -> DiskFormat:
    for name in FOREIGN_FORMATS:
        if _matches(name, head):
            raise ForeignDiskFormat(format=name)
    return "qcow2" if head.startswith(qcow2.MAGIC) else "raw"


def _matches(name: str, head: bytes) -> bool:
    inspector = format_inspector.get_inspector(name)()
    try:
        inspector.eat_chunk(head)
        return bool(inspector.format_match)
    except Exception:
        return False  # an inspector gives up by any exception at all; then it is not this format


def _inspect_qcow2(head: bytes, most_bytes: int) -> int:
    if len(head) < SECTOR_BYTES:
        raise DiskCutShort(reason=f"{len(head)} bytes hold no qcow2 header.")
    _ask_openstack(head)
    header = _header(head)
    _check_features(header)
    check_size(header.virtual_size_bytes, most_bytes)
    _check_l1(header)
    _check_refcounts(head, header.cluster_bytes)
    return header.virtual_size_bytes


def _ask_openstack(head: bytes) -> None:
    inspector = format_inspector.get_inspector("qcow2")()
    inspector.eat_chunk(head)
    try:
        inspector.safety_check()
    except format_inspector.SafetyCheckFailed as error:
        raise _refusal(error.failures) from error
    except format_inspector.ImageFormatError as error:
        raise DiskHeaderBroken(reason=str(error)) from error


def _refusal(failures: dict[str, Exception]) -> BadDisk:
    """The class for what OpenStack's checks found: their names are `backing_file`, `data_file` and
    `unknown_features`."""
    if "backing_file" in failures:
        return DiskHasBackingFile()
    if "data_file" in failures:
        return DiskHasDataFile()
    return DiskHasUnknownFeatures(features="; ".join(str(failure) for failure in failures.values()))


def _header(head: bytes) -> Qcow2Header:
    try:
        return qcow2.parse_header(head)
    except ValueError as error:
        raise DiskHeaderBroken(reason=str(error)) from error


def _check_features(header: Qcow2Header) -> None:
    if header.incompatible_features & (IncompatibleFeature.DIRTY | IncompatibleFeature.CORRUPT):
        raise DiskIsCorrupt
    if header.encrypted:
        raise DiskIsEncrypted
    if header.internal_snapshots:
        raise DiskHasSnapshots(count=header.internal_snapshots)


def _check_l1(header: Qcow2Header) -> None:
    reach = header.cluster_bytes * (header.cluster_bytes // 8)
    needed = -(-header.virtual_size_bytes // reach)
    if not needed <= header.l1_entries <= MAX_L1_BYTES // 8:
        raise DiskTablesAbsurd(reason=f"{header.l1_entries} L1 entries where {needed} are needed.")
    if header.l1_offset == 0 or header.l1_offset % header.cluster_bytes:
        raise DiskTablesAbsurd(reason=f"the L1 table cannot stand at {header.l1_offset}.")


def _check_refcounts(head: bytes, cluster_bytes: int) -> None:
    offset, clusters = _refcount_table(head)
    if not 0 < clusters * cluster_bytes <= MAX_REFCOUNT_TABLE_BYTES:
        raise DiskTablesAbsurd(reason=f"the refcount table has {clusters} clusters.")
    if offset == 0 or offset % cluster_bytes:
        raise DiskTablesAbsurd(reason=f"the refcount table cannot stand at {offset}.")


def _refcount_table(head: bytes) -> tuple[int, int]:
    """Its offset, and how many clusters it has."""
    fields = qcow2.VERSION_2.unpack_from(head)
    return fields[9], fields[10]


def _check_whole(head: bytes, file_bytes: int) -> None:
    header = qcow2.parse_header(head)
    offset, clusters = _refcount_table(head)
    ends = (header.l1_offset + 8 * header.l1_entries, offset + clusters * header.cluster_bytes)
    if max(ends) > file_bytes:
        raise DiskCutShort(reason=f"its tables end at {max(ends)}, the file at {file_bytes}.")


def check_shares(path: Path) -> None:
    """Refuse a qcow2 file that has passed the inspection and whose tables name more than is in it.

    Raises:
        DiskSharesData: they do.
    """
    with path.open("rb") as file:
        cluster_bytes = qcow2.read_header(file).cluster_bytes
        file_bytes = -(-path.stat().st_size // cluster_bytes) * cluster_bytes
        if qcow2_claims.names_more_than(file, file_bytes):
            raise DiskSharesData
