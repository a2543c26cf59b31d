"""The official Debian 12 image: a qcow2 that boots under BIOS and UEFI and sets itself up by cloud-init. Of i386 too,
by BIOS only; that is no official image, for these are x86_64.

1. mmdebstrap makes the root file system, with the kernel and GRUB in it, as a tar archive.
2. A sparse raw disk gets its partition table and an empty ext4 root.
3. One libguestfs appliance unpacks the archive and installs GRUB for both firmwares.
4. The disk becomes a qcow2 beside `output`, and takes its name when it is whole.

Ids of partitions and file systems are new with each build; machine-id and SSH host keys are left to each machine's
first boot.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from souche.model.images import Architecture
from souche.recipes.bootable_disk import appliance, install_grub, make_empty_disk, unpack
from souche.recipes.debian_12_files import fstab, grub_menu
from souche.recipes.debian_12_root import make_root
from souche.recipes.partitions import Layout
from souche.run import run

# Less than OUTSCALE's default root of 10 GiB, because the root grows at first boot and a volume cannot be made smaller
# than its image; more than the 0.5 GiB in use, so that a machine of exactly this size still has room to install things.
DISK_GIB = 4
CONVERSION_TIMEOUT_SECONDS = 600


def build(
    output: Path,
    *,
    work_dir: Path,
    progress: Callable[[str, float], None],
    architecture: Architecture = "x86_64",
    security: bool = True,
) -> None:
    """Build the image and write it to `output` (qcow2, virtual size `DISK_GIB` GiB, about 0.5 GiB long).

    Without `security` the packages are those of the point release, without Debian's security updates.

    Takes about two minutes on two cores without KVM, and 2 GiB of `work_dir`, where nothing is left afterwards.
    `progress` is told what happens next and how much is done (0..1). `output` appears only when it is complete,
    replacing what was there. Reads from the Debian mirrors that this machine's apt uses.

    Raises:
        ProgramMissing, ProgramFailed, ProgramTimedOut: from mmdebstrap, sfdisk, mke2fs or qemu-img.
        StorageFailed: the appliance failed.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=work_dir, prefix="debian-12-") as temporary:
        # apt fetches as its own user, which must get through here.
        Path(temporary).chmod(0o755)
        disk = _make_disk(Path(temporary), progress, architecture, security=security)
        progress("writing the qcow2", 0.95)
        _publish(disk, output)
    progress("done", 1.0)


def _make_disk(
    directory: Path, progress: Callable[[str, float], None], architecture: Architecture, *, security: bool
) -> Path:
    """The bootable disk as a sparse raw file in `directory`."""
    archive, disk = directory / "root.tar", directory / "disk.raw"
    layout, root_uuid = Layout(DISK_GIB * 1024), uuid4()
    progress("installing packages (mmdebstrap)", 0.0)
    make_root(archive, work_dir=directory, architecture=architecture, security=security)
    progress("starting the libguestfs appliance", 0.55)
    make_empty_disk(disk, layout, root_uuid=root_uuid)
    with appliance(disk) as g:
        progress("copying the root file system", 0.65)
        esp_uuid = unpack(g, archive, layout)
        g.write("/etc/fstab", fstab(root_uuid, esp_uuid))
        progress("installing GRUB", 0.85)
        install_grub(g, architecture=architecture, menu=grub_menu(root_uuid))
    return disk


def _publish(disk: Path, output: Path) -> None:
    """Convert the raw file `disk` to `output`, which appears whole or not at all."""
    partial = output.with_name(f".{output.name}.partial")
    try:
        run(convert_argv(disk, partial), timeout_seconds=CONVERSION_TIMEOUT_SECONDS)
        partial.replace(output)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def convert_argv(disk: Path, qcow2: Path) -> list[str]:
    """qemu-img writing the raw file `disk` as a qcow2; holes and zeros take no room in it.

    Not compressed: every clone reads through this file.
    """
    return ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(disk), str(qcow2)]
