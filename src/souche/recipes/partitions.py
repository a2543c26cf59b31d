"""The partition table of an image that both firmwares boot, and the file systems in it.

Numbered as in Debian's and other clouds' images: the root is partition 1, so that it is /dev/sda1, and it is last on
the disk, so that it can grow.
"""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from souche.room import MIB

SECTOR_BYTES = 512

# Partition types from the UEFI specification and GRUB's manual ("BIOS installation").
BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
EFI_SYSTEM = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
LINUX_ROOT_X86_64 = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"


@dataclass(frozen=True)
class Partition:
    """One partition; start and size in MiB."""

    number: int
    start_mib: int
    size_mib: int
    kind: str


@dataclass(frozen=True)
class Layout:
    """BIOS boot, ESP and root on a disk of `disk_mib`; the last MiB belongs to the backup of the GPT."""

    disk_mib: int

    @property
    def bios_boot(self) -> Partition:
        return Partition(14, 1, 3, BIOS_BOOT)

    @property
    def esp(self) -> Partition:
        return Partition(15, 4, 60, EFI_SYSTEM)

    @property
    def root(self) -> Partition:
        return Partition(1, 64, self.disk_mib - 64 - 1, LINUX_ROOT_X86_64)


def sfdisk_script(layout: Layout) -> str:
    """The table as sfdisk(8) reads it; offsets in sectors of 512 bytes."""
    per_mib = MIB // SECTOR_BYTES
    lines = [
        f"disk{part.number} : start={part.start_mib * per_mib}, size={part.size_mib * per_mib}, type={part.kind}"
        for part in (layout.bios_boot, layout.esp, layout.root)
    ]
    return "\n".join(["label: gpt", f"sector-size: {SECTOR_BYTES}", "", *lines, ""])


def sfdisk_argv(disk: Path) -> list[str]:
    """sfdisk writing the table that it reads on standard input into the raw file `disk`."""
    return ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never", str(disk)]


def mke2fs_argv(disk: Path, part: Partition, *, uuid: UUID) -> list[str]:
    """mke2fs making the ext4 root inside the raw file `disk`, by offset: no loop device.

    Nothing is left for lazy initialisation, which every clone would write again. Features newer than GRUB 2.06 are off,
    for any mke2fs.conf of the builder.
    """
    return [
        "mke2fs",
        "-q",
        "-F",
        *("-t", "ext4"),
        *("-O", "^metadata_csum_seed,^orphan_file"),
        *("-E", f"offset={part.start_mib * MIB},lazy_itable_init=0,lazy_journal_init=0,nodiscard"),
        *("-L", "root"),
        *("-U", str(uuid)),
        str(disk),
        f"{part.size_mib}M",
    ]
