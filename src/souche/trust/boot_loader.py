"""Partition table and boot loader of any system."""

from collections.abc import Iterator
from typing import Final

from souche.model.image_reports import Finding
from souche.trust.codes import finding
from souche.trust.disks.layout import Layout
from souche.trust.disks.tree import Tree

REMOVABLE: Final = ("/EFI/BOOT/BOOTX64.EFI", "/EFI/BOOT/BOOTIA32.EFI")


def boot_loaders(layout: Layout, boot_modes: tuple[str, ...]) -> Iterator[Finding]:
    """Checks that the first disk has a boot loader for each boot mode that the image declares."""
    table = layout.tables[0]
    if table.damaged:
        yield finding("boot-loader", "disk 0", "The partition table says what cannot be.")
    if "legacy" in boot_modes and not table.boot_code:
        yield finding("boot-loader", "disk 0", "BIOS firmware finds no boot loader in the first sector.")
    if "uefi" in boot_modes and not _has_efi_loader(layout):
        text = f"UEFI firmware finds no {REMOVABLE[0]} in an EFI system partition."
        yield finding("boot-loader", "disk 0", text)


def _has_efi_loader(layout: Layout) -> bool:
    for found in layout.found:
        partition = found.place.partition
        if found.place.disk == 0 and partition and partition.is_esp:
            tree = Tree({"/": found})
            if any(map(tree.exists, REMOVABLE)):
                return True
    return False
