"""Builds a Debian image from a recipe: a qcow2 that boots by BIOS and UEFI and is configured by cloud-init; i386 images
by BIOS only.

1. mmdebstrap makes the root file system, with the kernel and GRUB in it, as a tar archive.
2. A sparse raw disk gets its partition table and an empty ext4 root.
3. One libguestfs appliance unpacks the archive and installs GRUB for the firmwares.
4. The disk becomes a qcow2 beside `output`, and takes its name when it is complete.

Ids of partitions and file systems are new with each build; machine-id and SSH host keys are made at each machine's
first boot.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from souche import staged
from souche.recipes.bootable_disk import appliance, grub_installations, install_grub, make_empty_disk, unpack
from souche.recipes.debian_files import apt_sources, fstab, grub_menu, overlay
from souche.recipes.debian_root import hooks, make_root, mmdebstrap_argv, plan_root
from souche.recipes.partitions import Layout, mke2fs_argv, sfdisk_script
from souche.recipes.recipe import Recipe
from souche.run import run

CONVERSION_TIMEOUT_SECONDS = 600

# Increase it when the builder makes different disks from the same arguments, for example by another way to unpack.
# Earlier images are out of date then.
GENERATION: Final = 1


def build(
    recipe: Recipe, output: Path, *, work_dir: Path, progress: Callable[[str, float], None]
) -> Mapping[str, str]:
    """Build the image and write it to `output` (qcow2, virtual size `recipe.disk_gib` GiB, about 0.5 GiB long). Returns
    the packages in it with their versions.

    Takes about two minutes on two cores without KVM, and 2 GiB of `work_dir`, which is empty afterwards. `progress`
    gets the next step and the share done (0..1). `output` appears only when it is complete, and replaces an existing
    file.

    Raises:
        ProgramMissing, ProgramFailed, ProgramTimedOut: from mmdebstrap, sfdisk, mke2fs or qemu-img.
        StorageFailed: the appliance failed.
    """
    with _work(work_dir, recipe) as temporary:
        disk, packages = _make_disk(recipe, temporary, progress)
        progress("writing the qcow2", 0.95)
        _publish(disk, output)
    progress("done", 1.0)
    return packages


def plan(recipe: Recipe, *, work_dir: Path) -> Mapping[str, str]:
    """The packages, with versions, that an image built now would have (`plan_root`).

    Raises:
        NoPlan, ProgramMissing, ProgramFailed, ProgramTimedOut: from mmdebstrap.
    """
    with _work(work_dir, recipe) as temporary:
        return plan_root(recipe, work_dir=temporary)


def digest(recipe: Recipe) -> str:
    """SHA-256 (hex) over what decides how an image is made, without the versions of packages and the ids that are new
    each time: the recipe's meaning, the builder's own files, and the arguments of the programs."""
    nothing = UUID(int=0)
    layout = Layout(recipe.disk_gib * 1024)
    told = [
        recipe.meaning.decode(),
        hashlib.sha256(overlay()).hexdigest(),
        apt_sources(recipe),
        *mmdebstrap_argv(recipe),
        *hooks(recipe, Path("/")),
        sfdisk_script(layout),
        *mke2fs_argv(Path("/disk"), layout.root, uuid=nothing),
        *(part for argv in grub_installations(recipe.boot_modes) for part in argv),
        grub_menu(nothing),
        fstab(nothing, ""),
        str(GENERATION),
    ]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()


@contextmanager
def _work(work_dir: Path, recipe: Recipe) -> Iterator[Path]:
    """A separate folder for one build. apt, which fetches as its own user, can pass through it."""
    work_dir.mkdir(parents=True, exist_ok=True)
    with staged.folder(work_dir, f"{recipe.name}-") as temporary:
        temporary.chmod(0o755)
        yield temporary


def _make_disk(
    recipe: Recipe, directory: Path, progress: Callable[[str, float], None]
) -> tuple[Path, Mapping[str, str]]:
    """The bootable disk as a sparse raw file in `directory`, and the packages on it."""
    archive, disk = directory / "root.tar", directory / "disk.raw"
    layout, root_uuid = Layout(recipe.disk_gib * 1024), uuid4()
    progress("installing packages (mmdebstrap)", 0.0)
    packages = make_root(recipe, archive, work_dir=directory)
    progress("starting the libguestfs appliance", 0.55)
    make_empty_disk(disk, layout, root_uuid=root_uuid)
    with appliance(disk) as g:
        progress("copying the root file system", 0.65)
        esp_uuid = unpack(g, archive, layout)
        g.write("/etc/fstab", fstab(root_uuid, esp_uuid))
        progress("installing GRUB", 0.85)
        install_grub(g, boot_modes=recipe.boot_modes, menu=grub_menu(root_uuid))
    return disk, packages


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
