"""The configuration files of a Debian image.

Only files that no package owns: dpkg never asks about them, and upgrades do not change them. The rules for a guest in
an OUTSCALE region (data source, default user, no password login, serial console, interface names) are those of the
omi-packer project, summarised in the docs as "Metadata and guest".
"""

import io
import tarfile
from collections.abc import Iterable, Mapping
from uuid import UUID

from souche.recipes.apt_mirrors import DEBIAN_MAIN, DEBIAN_SECURITY
from souche.recipes.recipe import AddedFile, Recipe

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

CLOUD_INIT = """\
# The metadata server answers within the region or not at all.
datasource_list: [ Ec2 ]
datasource:
  Ec2:
    strict_id: false
    metadata_urls: ["http://169.254.169.254:80"]
    timeout: 5
    max_wait: 20

system_info:
  default_user:
    name: outscale
    gecos: OUTSCALE
    lock_passwd: true
    groups: [adm, audio, cdrom, dialout, dip, floppy, netdev, plugdev, sudo, video]
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
    shell: /bin/bash

disable_root: true
manage_etc_hosts: true
# systemd-networkd has its own static configuration, which also fits interfaces plugged in later.
network:
  config: disabled
# Without this, cloud-init looks for mirrors by DNS, which a closed network does not answer.
apt:
  preserve_sources_list: true
# An RSA key takes an emulated CPU many seconds, and every current client knows these two.
ssh_genkeytypes: [ed25519, ecdsa]
growpart:
  mode: auto
  devices: ["/"]
resize_rootfs: true
# GRUB is not installed by a package that could ask for its device again.
grub_dpkg:
  enabled: false
"""

# The data source is known, so cloud-init need not search for others at each boot.
DATA_SOURCE_SEARCH = """\
policy: enabled
"""

NETWORK = """\
[Match]
Name=eth*

[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no

[DHCPv4]
# The machine-id changes with every clone; the region knows a VM by its MAC address.
ClientIdentifier=mac
UseHostname=no
"""

WAIT_ONLINE = """\
[Service]
ExecStart=
ExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=20
"""

RESOLVED = """\
[Resolve]
# Only the servers that DHCP names are ever asked.
FallbackDNS=
LLMNR=no
MulticastDNS=no
"""

SSHD = """\
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
"""

# no_timer_check: on a busy host without KVM, the kernel's timer check fails and the kernel panics.
KERNEL_OPTIONS = "console=tty0 console=ttyS0,115200 net.ifnames=0 no_timer_check"

# update-grub reads this file when a kernel is installed in a running machine.
GRUB = f"""\
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR="Debian"
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="{KERNEL_OPTIONS}"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_DISABLE_RECOVERY=true
"""

# On a busy host without KVM, udev takes longer than systemd's 90 seconds, and without its device a console has no
# login.
SYSTEMD = """\
[Manager]
DefaultDeviceTimeoutSec=900
"""

# All disk drivers of the kernel, because the image may be exported to other hypervisors.
INITRAMFS = """\
MODULES=most
"""

# Written before packages are configured, so that the initramfs is built once and units are masked from the start.
FILES: Mapping[str, str] = {
    "etc/cloud/cloud.cfg.d/99_outscale.cfg": CLOUD_INIT,
    "etc/cloud/ds-identify.cfg": DATA_SOURCE_SEARCH,
    "etc/default/grub": GRUB,
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/initramfs-tools/conf.d/drivers": INITRAMFS,
    "etc/ssh/sshd_config.d/10-keys-only.conf": SSHD,
    "etc/systemd/network/20-dhcp.network": NETWORK,
    "etc/systemd/resolved.conf.d/10-dhcp-only.conf": RESOLVED,
    "etc/systemd/system.conf.d/10-slow-devices.conf": SYSTEMD,
    "etc/systemd/system/systemd-networkd-wait-online.service.d/10-any.conf": WAIT_ONLINE,
}

# Units that only cost time in a guest in a closed network.
MASKED_UNITS = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "systemd-pstore.service",
)


def grub_menu(root_uuid: UUID) -> str:
    """The first grub.cfg: one entry, by the links to the newest kernel that Debian keeps in /.

    Written rather than generated: update-grub takes the emulated appliance 20 seconds. It replaces this file when
    a kernel is installed later.
    """
    return f"""\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=0
insmod part_gpt
insmod ext2
search --no-floppy --fs-uuid --set=root {root_uuid}
menuentry "Debian GNU/Linux" {{
    linux /vmlinuz root=UUID={root_uuid} ro {KERNEL_OPTIONS} quiet
    initrd /initrd.img
}}
"""


def fstab(root_uuid: UUID, esp_uuid: str) -> str:
    """The root is checked at boot; the ESP never holds a boot up."""
    return (
        f"UUID={root_uuid} / ext4 defaults,errors=remount-ro 0 1\n"
        f"UUID={esp_uuid} /boot/efi vfat umask=0077,nofail 0 0\n"
    )


def apt_sources(recipe: Recipe) -> str:
    """Where a machine made from the image gets packages from: the recipe's mirrors, else Debian's own."""
    components = " ".join(recipe.components)
    suites = f"{recipe.suite} {recipe.suite}-updates" if recipe.updates else recipe.suite
    text = _paragraph(recipe.mirror or DEBIAN_MAIN, suites, components)
    if recipe.security:
        mirror = recipe.security_mirror or DEBIAN_SECURITY
        text += "\n" + _paragraph(mirror, f"{recipe.suite}-security", components)
    return text


def _paragraph(mirror: str, suites: str, components: str) -> str:
    return f"""\
Types: deb
URIs: {mirror}
Suites: {suites}
Components: {components}
Signed-By: {KEYRING}
"""


def overlay(files: Mapping[str, str] = FILES, masked_units: Iterable[str] = MASKED_UNITS) -> bytes:
    """A tar archive, the same bytes each time, of `files` (0644) and of the links that mask units."""
    links = {f"etc/systemd/system/{unit}": "/dev/null" for unit in masked_units}
    return _archive([AddedFile(f"/{name}", text.encode()) for name, text in files.items()], links)


def added(files: Iterable[AddedFile]) -> bytes:
    """A tar archive, the same bytes each time, of a recipe's own files."""
    return _archive(files, {})


def _archive(files: Iterable[AddedFile], links: Mapping[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for file in sorted(files, key=lambda each: each.path):
            entry = tarfile.TarInfo(file.path.removeprefix("/"))
            entry.size, entry.mode = len(file.content), file.mode
            archive.addfile(entry, io.BytesIO(file.content))
        for name, target in sorted(links.items()):
            link = tarfile.TarInfo(name)
            link.type = tarfile.SYMTYPE
            link.linkname = target
            archive.addfile(link)
    return stream.getvalue()
