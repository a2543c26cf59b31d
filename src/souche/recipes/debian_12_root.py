"""The Debian 12 root file system as a tar archive, made by mmdebstrap.

A tar and not a directory, because ownership then survives when the builder is not root.
"""

from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from souche.model.images import Architecture
from souche.recipes.apt_mirrors import Mirrors, host_mirrors
from souche.recipes.debian_12_files import APT_SOURCES, overlay
from souche.run import run

SUITE = "bookworm"
BOOTSTRAP_TIMEOUT_SECONDS = 1800

# Recommended packages are not followed: what is wanted is named here.
PACKAGES = (
    "ca-certificates",
    "cloud-guest-utils",  # growpart
    "cloud-init",
    "curl",
    "dbus",
    "dosfstools",
    "grub-pc-bin",
    "grub2-common",
    "iproute2",
    "iputils-ping",
    "less",
    "libpam-systemd",
    "nano",
    "openssh-server",
    "qemu-guest-agent",
    "sudo",
    "systemd-resolved",
    "systemd-sysv",
    "systemd-timesyncd",
    "udev",
    "zstd",
)

# By the image's architecture, in the words of the OUTSCALE API: Debian's name for it, and the packages that differ.
DEBIAN_ARCHITECTURES: Mapping[Architecture, str] = {"x86_64": "amd64", "i386": "i386"}
BOOT_PACKAGES: Mapping[Architecture, tuple[str, ...]] = {
    # The cloud kernel has no AHCI; login after 49 s, with linux-image-amd64 after 83 s.
    "x86_64": ("grub-efi-amd64-bin", "linux-image-cloud-amd64"),
    "i386": ("linux-image-686",),  # the one that needs no PAE; it starts by BIOS only
}

# Documentation is left out of this image and of what is later installed in it, as in Debian's own container images.
DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/info/*",
)

# What must not be shared by the machines that are cloned from an image, and traces of the build. mmdebstrap itself
# empties apt's lists and caches afterwards; it keeps its apt.conf in the chroot's /tmp, which must stay until then.
CLEAN_UP = (
    'rm -f "$1"/etc/ssh/ssh_host_*',
    'mv "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$1"/etc/dpkg/dpkg.cfg.d/no-documentation',
    'rm -f "$1"/etc/hostname "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/0*',
    'rm -rf "$1"/root/.ssh "$1"/var/lib/cloud "$1"/var/lib/dhcp/* "$1"/var/lib/systemd/random-seed',
    'rm -f "$1"/var/lib/dbus/machine-id',
    'find "$1"/var/log "$1"/var/cache/debconf "$1"/var/tmp -type f -delete',
    'rm -rf "$1"/var/log/journal/*',
)


def make_root(archive: Path, *, work_dir: Path, architecture: Architecture, security: bool) -> None:
    """Write the root file system to `archive` (uncompressed tar).

    Takes about a minute and 1.5 GiB of `work_dir`; reads from the mirrors that this machine's apt uses.

    Raises:
        ProgramMissing, ProgramFailed, ProgramTimedOut: from mmdebstrap.
    """
    configuration = work_dir / "configuration.tar"
    configuration.write_bytes(overlay())
    sources = work_dir / "debian.sources"
    sources.write_text(APT_SOURCES)
    run(
        mmdebstrap_argv(archive, architecture, configuration=configuration, sources=sources),
        stdin=apt_sources(host_mirrors(), security=security).encode(),
        extra_environment={"TMPDIR": str(work_dir)},
        timeout_seconds=BOOTSTRAP_TIMEOUT_SECONDS,
    )


def apt_sources(mirrors: Mirrors, *, security: bool = True) -> str:
    """The sources.list that the image is built from: release, updates and `security` updates, component main."""
    sources = f"deb {mirrors.main} {SUITE} main\ndeb {mirrors.main} {SUITE}-updates main\n"
    return sources + f"deb {mirrors.security} {SUITE}-security main\n" * security


def mmdebstrap_argv(
    archive: Path, architecture: Architecture, *, configuration: Path, sources: Path
) -> list[str]:
    """mmdebstrap reading sources.list on standard input and writing the tar file `archive`.

    `configuration` (tar) is unpacked before packages are configured, `sources` replaces the build's mirrors.
    """
    return [
        "mmdebstrap",
        "--variant=minbase",
        "--format=tar",
        f"--architectures={DEBIAN_ARCHITECTURES[architecture]}",
        f"--include={','.join((*PACKAGES, *BOOT_PACKAGES[architecture]))}",
        *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
        f"--essential-hook=tar-in {quote(str(configuration))} /",
        '--customize-hook=chroot "$1" systemctl enable systemd-networkd.service',
        *(f"--customize-hook={command}" for command in CLEAN_UP),
        f"--customize-hook=upload {quote(str(sources))} /etc/apt/sources.list.d/debian.sources",
        SUITE,
        str(archive),
        "-",
    ]
