"""A Debian root file system as a tar archive, made by mmdebstrap; and what packages it would have today.

A tar and not a directory, because ownership then survives when the builder is not root.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Final

from souche.errors import ProgramFailed, ProgramMissing
from souche.model.images import Architecture, BootMode
from souche.recipes.apt_mirrors import Mirrors, host_mirrors
from souche.recipes.debian_files import added, apt_sources, overlay
from souche.recipes.debian_packages import installed, planned
from souche.recipes.recipe import Recipe
from souche.run import run

BOOTSTRAP_TIMEOUT_SECONDS = 1800
PLAN_TIMEOUT_SECONDS = 600
PROBE_TIMEOUT_SECONDS = 30
NAMESPACES: Final = (
    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"),
    "--",
)

# Packages in every image, in addition to those of its recipe. Recommended packages are not installed automatically.
PACKAGES = (
    "ca-certificates",
    "cloud-guest-utils",  # growpart
    "cloud-init",
    "dbus",
    "dosfstools",
    "grub2-common",
    "iproute2",
    "libpam-systemd",
    "openssh-server",
    "qemu-guest-agent",
    "sudo",
    "systemd-resolved",
    "systemd-sysv",
    "systemd-timesyncd",
    "udev",
    "zstd",
)

# For each architecture, by its name in the OUTSCALE API: Debian's name, and the kernel.
DEBIAN_ARCHITECTURES: Mapping[Architecture, str] = {"x86_64": "amd64", "i386": "i386"}
KERNELS: Mapping[Architecture, str] = {
    # It has no AHCI driver. Login after 49 s; with linux-image-amd64 after 83 s.
    "x86_64": "linux-image-cloud-amd64",
    "i386": "linux-image-686",  # the only one without PAE
}
BOOT_LOADERS: Mapping[BootMode, str] = {"legacy": "grub-pc-bin", "uefi": "grub-efi-amd64-bin"}

# Leave out documentation, also of packages that are installed later, as Debian's own container images do.
DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/info/*",
)

# Removes data that the machines of an image must not share, and traces of the build. mmdebstrap itself empties apt's
# lists and caches afterwards. Until then its apt.conf must stay in the chroot's /tmp.
CLEAN_UP = (
    'rm -f "$1"/etc/ssh/ssh_host_*',
    'mv "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$1"/etc/dpkg/dpkg.cfg.d/no-documentation',
    'rm -f "$1"/etc/hostname "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/0*',
    'rm -rf "$1"/root/.ssh "$1"/var/lib/cloud "$1"/var/lib/dhcp/* "$1"/var/lib/systemd/random-seed',
    'rm -f "$1"/var/lib/dbus/machine-id',
    'find "$1"/var/log "$1"/var/cache/debconf "$1"/var/tmp -type f -delete',
    'rm -rf "$1"/var/log/journal/*',
)

SOURCES_FILE: Final = "/etc/apt/sources.list.d/debian.sources"
STATUS_FILE: Final = "/var/lib/dpkg/status"


def make_root(recipe: Recipe, archive: Path, *, work_dir: Path) -> Mapping[str, str]:
    """Write the root file system to `archive` (uncompressed tar). Returns its packages with their versions.

    Takes about a minute and 1.5 GiB of `work_dir`; reads from the recipe's mirrors, else those of this machine's apt.

    Raises:
        ProgramMissing, ProgramFailed, ProgramTimedOut: from mmdebstrap.
    """
    (work_dir / "configuration.tar").write_bytes(overlay())
    (work_dir / "files.tar").write_bytes(added(recipe.files))
    (work_dir / "debian.sources").write_text(apt_sources(recipe))
    status = work_dir / "status"
    run(
        [*_alone(), *mmdebstrap_argv(recipe), *hooks(recipe, work_dir), recipe.suite, archive, "-"],
        stdin=build_sources(recipe, host_mirrors()).encode(),
        extra_environment={"TMPDIR": str(work_dir)},
        timeout_seconds=BOOTSTRAP_TIMEOUT_SECONDS,
    )
    return installed(status.read_text(errors="replace"))


def _alone() -> Sequence[str]:
    """The command prefix that ends mmdebstrap's mounts and processes with it. As root, mmdebstrap bind-mounts the
    host's /dev/shm into the system it builds: removing that folder after a kill would empty the host's /dev/shm. If
    namespaces cannot be created, mmdebstrap mounts nothing either."""
    if os.geteuid() != 0:
        return ()  # mmdebstrap makes its own namespaces
    try:
        run([*NAMESPACES, "true"], timeout_seconds=PROBE_TIMEOUT_SECONDS)
    except (ProgramFailed, ProgramMissing):
        return ()
    return NAMESPACES


def plan_root(recipe: Recipe, *, work_dir: Path) -> Mapping[str, str]:
    """The packages that a root file system would have if it were made now, with their versions. Nothing is installed.

    Takes 20 to 30 seconds, half of it CPU, and 60 MiB of `work_dir`: apt reads the indexes of the archive.

    Raises:
        NoPlan, ProgramMissing, ProgramFailed, ProgramTimedOut: from mmdebstrap.
    """
    log = work_dir / "log"
    run(
        [
            *_alone(),
            *mmdebstrap_argv(recipe),
            "--simulate",
            "--verbose",
            f"--logfile={log}",
            recipe.suite,
            "-",
            "-",
        ],
        stdin=build_sources(recipe, host_mirrors()).encode(),
        extra_environment={"TMPDIR": str(work_dir)},
        timeout_seconds=PLAN_TIMEOUT_SECONDS,
    )
    return planned(log.read_text(errors="replace"))


def build_sources(recipe: Recipe, mirrors: Mirrors) -> str:
    """The sources.list that the image is built from: release, updates and security updates. `mirrors` are those of
    this machine."""
    main, components = recipe.mirror or mirrors.main, " ".join(recipe.components)
    sources = f"deb {main} {recipe.suite} {components}\n"
    sources += f"deb {main} {recipe.suite}-updates {components}\n" * recipe.updates
    security = recipe.security_mirror or mirrors.security
    return sources + f"deb {security} {recipe.suite}-security {components}\n" * recipe.security


def packages(recipe: Recipe) -> list[str]:
    """The packages to install by name, in order."""
    kernel = recipe.kernel or KERNELS[recipe.architecture]
    loaders = (BOOT_LOADERS[mode] for mode in recipe.boot_modes)
    return sorted({*PACKAGES, *recipe.packages, *loaders, kernel})


def mmdebstrap_argv(recipe: Recipe) -> list[str]:
    """mmdebstrap with the options that decide about packages; suite, target and `-`, for a sources.list on standard
    input, follow."""
    return [
        "mmdebstrap",
        "--variant=minbase",
        "--format=tar",
        f"--architectures={DEBIAN_ARCHITECTURES[recipe.architecture]}",
        f"--include={','.join(packages(recipe))}",
        *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
    ]


def hooks(recipe: Recipe, work_dir: Path) -> list[str]:
    """What mmdebstrap does with files in `work_dir`: configuration.tar is unpacked before packages are configured,
    files.tar afterwards; debian.sources replaces the build's mirrors; status is written."""

    def outside(name: str) -> str:
        return quote(str(work_dir / name))

    return [
        f"--essential-hook=tar-in {outside('configuration.tar')} /",
        '--customize-hook=chroot "$1" systemctl enable systemd-networkd.service',
        *([f"--customize-hook=tar-in {outside('files.tar')} /"] if recipe.files else []),
        *(f'--customize-hook=chroot "$1" /bin/sh -e -c {quote(each)}' for each in recipe.commands),
        f"--customize-hook=download {STATUS_FILE} {outside('status')}",
        *(f"--customize-hook={command}" for command in CLEAN_UP),
        f"--customize-hook=upload {outside('debian.sources')} {SOURCES_FILE}",
    ]
