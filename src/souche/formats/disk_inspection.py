"""The inspection of disks from outside (design 3.7): the format of a file, and whether it may be opened in it.
`transfer/gate.py` is the entry for disks, and calls this module.

The declared format decides (`SaidOfDisk`), otherwise the first `HEAD_BYTES`: they are enough, so a stream is inspected
before its rest is read. In a disk declared raw, a guest has written them, so they mean nothing.

OpenStack's `format_inspector` (oslo.utils) detects malicious qcow2 files. This module adds QEMU's own limits on tables
(block/qcow2.h), and refuses what Souche does not support: encryption, internal snapshots, images marked corrupt.
"""

import logging
import struct
from pathlib import Path
from typing import Final

from souche.formats import containers, qcow2, qcow2_claims, vhd, vhdx, vmdk
from souche.formats.containers import Container
from souche.formats.disk_refusals import (
    BadDisk,
    DiskCutShort,
    DiskHasBackingFile,
    DiskHasDataFile,
    DiskHasSnapshots,
    DiskHasUnknownFeatures,
    DiskHeaderBroken,
    DiskIsCorrupt,
    DiskIsEncrypted,
    DiskSharesData,
    DiskTablesAbsurd,
    ForeignDiskFormat,
    NotADisk,
    WrongDiskFormat,
    WrongDiskSize,
)
from souche.formats.foreign_disks import INSPECTIONS, InspectedDisk
from souche.formats.qcow2 import IncompatibleFeature, Qcow2Header
from souche.model.disk_imports import SaidOfDisk, SourceFormat

HEAD_BYTES: Final = 512 * 1024
MAX_L1_BYTES: Final = 32 * 1024 * 1024
MAX_REFCOUNT_TABLE_BYTES: Final = 8 * 1024 * 1024
SECTOR_BYTES: Final = 512
MAGICS: Final[dict[SourceFormat, tuple[bytes, ...]]] = {
    "qcow2": (qcow2.MAGIC,),
    "vmdk": (vmdk.MAGIC,),
    "vhdx": (vhdx.MAGIC,),
}
"""The first bytes of each declared format. A raw disk and a fixed VHD can have any."""
logging.getLogger("oslo_utils").setLevel(logging.ERROR)  # we report its findings as refusals
FEATURES: Final = struct.Struct(">Q")
FEATURES_AT: Final = 72


def inspect_head(head: bytes, said: SaidOfDisk, *, most_bytes: int) -> InspectedDisk:
    """Inspect a disk by its first `HEAD_BYTES` (or the whole disk, if it is shorter), without gzip around it.
    `most_bytes` is the largest allowed virtual size.

    Raises:
        BadDisk: it must not be opened; the class names the reason.
    """
    found = _format(head, said)
    if found == "qcow2":
        return _inspect_qcow2(head, most_bytes)
    return InspectedDisk(found, None, foreign=found in ("vmdk", "vhdx", "vhd"))


def inspect_file(path: Path, said: SaidOfDisk, *, most_bytes: int) -> InspectedDisk:
    """Check a complete file.

    Raises:
        BadDisk: it must not be opened; the class names the reason.
    """
    file_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        disk = inspect_head(head, said, most_bytes=most_bytes)
        if disk.format == "qcow2":
            _check_whole(head, file_bytes)
            return disk
        if disk.format == "raw":
            if said.format is None and vhd.read_footer(file, file_bytes):
                raise _foreign(containers.VHD_FIXED)
            _check_sectors(head, file_bytes)
            disk = InspectedDisk("raw", file_bytes)
        else:
            if disk.format == "vhd" and not vhd.read_footer(file, file_bytes):
                _check_begins_as_vhd(head)
            disk = INSPECTIONS[disk.format](file, file_bytes)
    check_size(disk.size_bytes or 0, most_bytes)
    return disk


def _check_sectors(head: bytes, file_bytes: int) -> None:
    """Refuse a file that is not a raw disk, and name its likely kind."""
    found = containers.QCOW2 if head.startswith(qcow2.MAGIC) else _called(head, "raw")
    found = found or containers.text_of(head)
    if file_bytes % SECTOR_BYTES and found:
        reason = f"not a multiple of {SECTOR_BYTES}; it begins like {found.name} ({found.remedy})."
        raise WrongDiskSize(size_bytes=file_bytes, reason=reason)


def _check_begins_as_vhd(head: bytes) -> None:
    """Refuse a VHD without a footer by its actual kind, unless it may be a truncated VHD."""
    container = _called(head, "vhd")
    if container is containers.VHD_FIXED or (container is None and containers.looks_like_disk(head) and head):
        return
    found = _foreign(container) if container else _otherwise(head, "vhd")
    if found:
        raise found


def check_archive(head: bytes) -> None:
    """Refuse a file that is declared as an OVA but is recognised as something else.

    Raises:
        BadDisk: it is; the class names its kind.
    """
    if containers.container_of(head) is not containers.TAR and (found := _otherwise(head, "ova")):
        raise found


def check_size(size_bytes: int, most_bytes: int) -> None:
    """Refuse the size of a disk that is empty, odd or too large.

    Raises:
        WrongDiskSize: it is.
    """
    if size_bytes == 0:
        raise WrongDiskSize(size_bytes=size_bytes, reason="it is empty.")
    if size_bytes % SECTOR_BYTES:
        raise WrongDiskSize(size_bytes=size_bytes, reason=f"not a multiple of {SECTOR_BYTES}.")
    if size_bytes > most_bytes:
        raise WrongDiskSize(size_bytes=size_bytes, reason=f"at most {most_bytes} are accepted.")


def begins_as(head: bytes) -> str | None:
    """Another format that a raw disk happens to begin as; None: no known one."""
    if head.startswith(qcow2.MAGIC):
        return "qcow2"
    container = _called(head, "raw")
    return container.name if container else None


def _called(head: bytes, disk_format: SourceFormat) -> Container | None:
    """The format of a disk's first bytes, if nothing was decompressed because its name declares raw or VHD."""
    container = containers.container_of(head)
    return containers.gzip_called(disk_format) if container is containers.GZIP else container


def _format(head: bytes, said: SaidOfDisk) -> SourceFormat:
    """The format of a disk, or the stated one if only the sender can know."""
    if said.format is None:
        return _guessed(head)
    if said.format in ("raw", "vhd"):
        return said.format
    container = containers.container_of(head)
    if head.startswith(MAGICS.get(said.format, ())) and (container is None or container.name == said.format):
        return said.format
    raise _otherwise(head, said.format) or WrongDiskFormat(
        expected=said.format, found="an unknown one", meant="raw"
    )


def _otherwise(head: bytes, expected: SourceFormat) -> BadDisk | None:
    """The error for a file that does not have the format of its name; None: nothing known begins so."""
    if not head:
        return WrongDiskSize(size_bytes=0, reason="it is empty.")
    container = containers.container_of(head)
    if container is None and head.startswith(qcow2.MAGIC):
        return WrongDiskFormat(expected=expected, found="qcow2", meant="qcow2")
    if container is None and containers.looks_like_disk(head):
        return WrongDiskFormat(expected=expected, found="raw", meant="raw")
    known = container or containers.text_of(head)
    return _foreign(known) if known else None


def _guessed(head: bytes) -> SourceFormat:
    """The format of a disk without a stated one: qcow2, or raw if it looks like a disk."""
    container = containers.container_of(head)
    if container:
        raise _foreign(container)
    if head.startswith(qcow2.MAGIC):
        return "qcow2"
    if containers.looks_like_disk(head):
        return "raw"
    text = containers.text_of(head)
    if text:
        raise _foreign(text)
    raise NotADisk


def _foreign(container: Container) -> ForeignDiskFormat:
    return ForeignDiskFormat(format=container.name, remedy=container.remedy)


def _inspect_qcow2(head: bytes, most_bytes: int) -> InspectedDisk:
    if len(head) < SECTOR_BYTES:
        raise DiskCutShort(reason=f"{len(head)} bytes hold no qcow2 header.")
    extended, head = _without_extended_l2(head)
    _ask_openstack(head)
    header = _header(head)
    _check_features(header)
    check_size(header.virtual_size_bytes, most_bytes)
    _check_l1(header, 16 if extended else 8)
    _check_refcounts(head, header.cluster_bytes)
    return InspectedDisk("qcow2", header.virtual_size_bytes, foreign=extended)


def _without_extended_l2(head: bytes) -> tuple[bool, bytes]:
    """Whether a disk has the feature, and its head without that bit: OpenStack refuses it, but QEMU converts it."""
    (features,) = FEATURES.unpack_from(head, FEATURES_AT)
    if head[4:8] != b"\0\0\0\x03" or not features & IncompatibleFeature.EXTENDED_L2:
        return False, head
    plain = FEATURES.pack(features & ~IncompatibleFeature.EXTENDED_L2)
    return True, head[:FEATURES_AT] + plain + head[FEATURES_AT + FEATURES.size :]


def _ask_openstack(head: bytes) -> None:
    # Imported here: the import takes a tenth of a second, and most commands inspect no disk.
    from oslo_utils.imageutils import format_inspector

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


def _check_l1(header: Qcow2Header, entry_bytes: int) -> None:
    """`entry_bytes` is the length of an entry of the L2 tables."""
    reach = header.cluster_bytes * (header.cluster_bytes // entry_bytes)
    needed = -(-header.virtual_size_bytes // reach)
    if not needed <= header.l1_entries <= MAX_L1_BYTES // 8:
        raise DiskTablesAbsurd(
            format="qcow2", reason=f"there are {header.l1_entries} L1 entries instead of {needed}."
        )
    if header.l1_offset == 0 or header.l1_offset % header.cluster_bytes:
        raise DiskTablesAbsurd(format="qcow2", reason=f"the L1 table has the offset {header.l1_offset}.")


def _check_refcounts(head: bytes, cluster_bytes: int) -> None:
    offset, clusters = _refcount_table(head)
    if not 0 < clusters * cluster_bytes <= MAX_REFCOUNT_TABLE_BYTES:
        raise DiskTablesAbsurd(format="qcow2", reason=f"the refcount table has {clusters} clusters.")
    if offset == 0 or offset % cluster_bytes:
        raise DiskTablesAbsurd(format="qcow2", reason=f"the refcount table has the offset {offset}.")


def _refcount_table(head: bytes) -> tuple[int, int]:
    """The offset of the refcount table, and its number of clusters."""
    fields = qcow2.VERSION_2.unpack_from(head)
    return fields[9], fields[10]


def _check_whole(head: bytes, file_bytes: int) -> None:
    header = _header(head)
    offset, clusters = _refcount_table(head)
    ends = (header.l1_offset + 8 * header.l1_entries, offset + clusters * header.cluster_bytes)
    if max(ends) > file_bytes:
        raise DiskCutShort(reason=f"its tables end at {max(ends)}, the file at {file_bytes}.")


def check_extended_data(path: Path) -> None:
    """The same of a qcow2 file with extended L2 entries, without looking whether data are named twice: it is converted,
    and the result is bounded.

    Raises:
        DiskCutShort: data behind its end.
    """
    file_bytes = path.stat().st_size
    with path.open("rb") as file:
        _check_end(qcow2_claims.extended_data_end(file, file_bytes), file_bytes)


def check_data(path: Path) -> None:
    """Refuse a qcow2 file that has passed the inspection and whose tables reference more than the file contains.

    Raises:
        DiskSharesData: the same data more than once. DiskCutShort: data past its end.
    """
    with path.open("rb") as file:
        cluster_bytes = qcow2.read_header(file).cluster_bytes
        file_bytes = path.stat().st_size
        if qcow2_claims.names_more_than(file, -(-file_bytes // cluster_bytes) * cluster_bytes):
            raise DiskSharesData(format="qcow2")
        end = qcow2_claims.data_end(file)
    _check_end(end, file_bytes)


def _check_end(end: int, file_bytes: int) -> None:
    if end > file_bytes:
        raise DiskCutShort(reason=f"its data end at {end}, the file at {file_bytes}.")
