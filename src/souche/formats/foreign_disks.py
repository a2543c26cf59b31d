"""The inspection of disks that QEMU converts: VMDK, VHD and VHDX. Each must be self-contained and complete."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from souche.formats import vhd, vhdx, vmdk
from souche.formats.disk_refusals import (
    DiskCutShort,
    DiskHasBackingFile,
    DiskInParts,
    DiskIsCorrupt,
    DiskSharesData,
    DiskTablesAbsurd,
)
from souche.model.disk_imports import SourceFormat


@dataclass(frozen=True)
class InspectedDisk:
    """An inspected disk. `size_bytes` is its size as seen by a guest; None if the first bytes do not state it.
    `foreign`: only QEMU reads it, in a sandbox, and its output is used."""

    format: SourceFormat
    size_bytes: int | None
    foreign: bool = False


def inspect_vhd(file: BinaryIO, file_bytes: int) -> InspectedDisk:
    """A fixed VHD is a raw disk with a footer at its end."""
    footer = vhd.read_footer(file, file_bytes)
    if footer is None:
        raise DiskCutShort(reason="the footer of a VHD is missing.")
    if footer.disk_type == vhd.DIFFERENCING:
        raise DiskHasBackingFile
    if footer.disk_type == vhd.FIXED:
        if footer.size_bytes + vhd.FOOTER_BYTES != file_bytes:
            raise DiskCutShort(
                reason=f"the size in its footer, {footer.size_bytes}, is not that of its data."
            )
        return InspectedDisk("vhd", footer.size_bytes)
    try:
        data = vhd.data(file, footer)
    except ValueError as error:
        raise DiskTablesAbsurd(reason=f"{error}.", format="vhd") from error
    _check_end(data.end, file_bytes)
    _check_named(data.named, file_bytes, "vhd")
    return InspectedDisk("vhd", footer.size_bytes, foreign=True)


def inspect_vmdk(file: BinaryIO, file_bytes: int) -> InspectedDisk:
    try:
        header = vmdk.read_header(file, file_bytes)
        vmdk.check_alone(file, header)
        data = vmdk.data(file, header)
    except vmdk.BadVmdk as error:
        raise DiskInParts(format="vmdk", reason=str(error)) from error
    _check_end(data.end, file_bytes)
    _check_named(data.named, file_bytes, "vmdk")
    return InspectedDisk("vmdk", header.size_bytes, foreign=True)


def inspect_vhdx(file: BinaryIO, file_bytes: int) -> InspectedDisk:
    try:
        facts = vhdx.read_facts(file)
    except vhdx.BadVhdx as error:
        raise DiskInParts(format="vhdx", reason=str(error)) from error
    if facts.has_parent:
        raise DiskHasBackingFile
    if not facts.clean:
        raise DiskIsCorrupt
    _check_named(facts.named_bytes, file_bytes + facts.block_bytes, "vhdx")
    return InspectedDisk("vhdx", facts.size_bytes, foreign=True)


def _check_end(end: int, file_bytes: int) -> None:
    if end > file_bytes:
        raise DiskCutShort(reason=f"its data end at {end}, the file at {file_bytes}.")


def _check_named(named_bytes: int, most_bytes: int, disk_format: SourceFormat) -> None:
    """Refuse tables that name more data than the file has: QEMU would read the same data again and again, for hours."""
    if named_bytes > most_bytes:
        raise DiskSharesData(format=disk_format)


INSPECTIONS: Final[dict[SourceFormat, Callable[[BinaryIO, int], InspectedDisk]]] = {
    "vhd": inspect_vhd,
    "vmdk": inspect_vmdk,
    "vhdx": inspect_vhdx,
}
"""Checks that need the whole file."""
