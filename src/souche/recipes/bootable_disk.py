"""A root file system (tar) made into a disk that BIOS and UEFI boot, inside a libguestfs appliance.

The appliance is a throw-away VM, so neither loop devices nor privileges on the host are needed, and GRUB's own
installer sees real disks. It always runs emulated: hosts exist where /dev/kvm opens and guests hang.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from souche.errors import ProgramMissing, StorageFailed
from souche.model.images import BootMode
from souche.recipes.partitions import Layout, mke2fs_argv, sfdisk_argv, sfdisk_script
from souche.run import run

if TYPE_CHECKING:
    import guestfs

APPLIANCE_MEMORY_MIB = 1024
PARTITIONING_TIMEOUT_SECONDS = 120

# In libguestfs's own calls, /dev/sda is always the disk. For programs in the appliance, /dev/sda may be the appliance's
# own disk, because its kernel probes disks in any order. The link by label names the right disk.
DISK_LABEL = "image"
DISK_LINK = f"/dev/disk/guestfs/{DISK_LABEL}"

GRUB_BIOS = ("grub-install", "--target=i386-pc", DISK_LINK)
GRUB_UEFI = (
    "grub-install",
    "--target=x86_64-efi",
    "--efi-directory=/boot/efi",
    "--bootloader-id=debian",
    "--no-nvram",
    "--force-extra-removable",  # also EFI/BOOT/BOOTX64.EFI, for firmware without a boot entry
)
GRUB_INSTALLATIONS: Mapping[BootMode, tuple[str, ...]] = {"legacy": GRUB_BIOS, "uefi": GRUB_UEFI}


def grub_installations(boot_modes: Collection[BootMode]) -> list[tuple[str, ...]]:
    """What installs GRUB for each firmware that an image starts by."""
    return [argv for mode, argv in GRUB_INSTALLATIONS.items() if mode in boot_modes]


def make_empty_disk(disk: Path, layout: Layout, *, root_uuid: UUID) -> None:
    """Create the sparse raw file `disk` with its partition table and an empty ext4 root."""
    with disk.open("wb") as file:
        file.truncate(layout.disk_mib << 20)
    run(sfdisk_argv(disk), stdin=sfdisk_script(layout).encode(), timeout_seconds=PARTITIONING_TIMEOUT_SECONDS)
    run(mke2fs_argv(disk, layout.root, uuid=root_uuid), timeout_seconds=PARTITIONING_TIMEOUT_SECONDS)


@contextmanager
def appliance(disk: Path) -> Iterator["guestfs.GuestFS"]:
    """A running appliance with the raw file `disk` as /dev/sda, shut down (and so synced) at the end.

    Raises:
        ProgramMissing: the system's Python has no guestfs module.
        StorageFailed: the appliance did not start, or refused a request.
    """
    try:
        import guestfs
    except ImportError as error:
        raise ProgramMissing(program="python3-guestfs") from error
    g = guestfs.GuestFS(python_return_dict=True)
    try:
        g.set_backend("direct")
        g.set_backend_settings(["force_tcg"])
        g.set_memsize(APPLIANCE_MEMORY_MIB)
        g.set_smp(2)
        g.add_drive_opts(str(disk), format="raw", label=DISK_LABEL, cachemode="unsafe")
        g.launch()
        yield g
        g.shutdown()
    except RuntimeError as error:  # the binding raises no other class
        raise StorageFailed(reason=f"libguestfs: {error}") from error
    finally:
        g.close()


def unpack(g: "guestfs.GuestFS", root_archive: Path, layout: Layout) -> str:
    """Make the ESP, mount root and ESP, and unpack `root_archive`; returns the ESP's UUID as fstab wants it."""
    root, esp = _device(layout.root.number), _device(layout.esp.number)
    g.mkfs("vfat", esp, label="EFI")
    g.mount_options("noatime", root, "/")
    g.tar_in(str(root_archive), "/", xattrs=True)
    g.mkdir_p("/boot/efi")
    g.mount(esp, "/boot/efi")
    return str(g.vfs_uuid(esp))


def install_grub(g: "guestfs.GuestFS", *, boot_modes: Collection[BootMode], menu: str) -> None:
    """Install GRUB for every firmware that starts the image, with the image's own tools; `menu` is its grub.cfg."""
    for argv in grub_installations(boot_modes):
        g.command(list(argv))
    g.write("/boot/grub/grub.cfg", menu)


def _device(number: int) -> str:
    return f"/dev/sda{number}"
