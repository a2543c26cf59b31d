"""What the Debian 12 image configures, file by file.

Only files that no package owns: dpkg never asks about them, and a user's upgrade leaves them alone. The rules
for a guest in an OUTSCALE region (data source, default user, no password login, serial console, interface
names) are those of the omi-packer project, summed up in docs as "Metadata and guest".
"""

import io
import tarfile
from collections.abc import Iterable, Mapping

CLOUD_INIT = """\
# The metadata server answers within the region or not at all.
datasource_list: [Ec2]
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

GRUB = """\
GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR="Debian"
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200 net.ifnames=0"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_DISABLE_RECOVERY=true
"""

INITRAMFS = """\
MODULES=most
"""

APT_SOURCES = """\
Types: deb
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""

# Present before packages are configured, so that the initramfs is made once and units start out masked.
FILES: Mapping[str, str] = {
    "etc/cloud/cloud.cfg.d/99_outscale.cfg": CLOUD_INIT,
    "etc/default/grub": GRUB,
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/initramfs-tools/conf.d/drivers": INITRAMFS,
    "etc/ssh/sshd_config.d/10-keys-only.conf": SSHD,
    "etc/systemd/network/20-dhcp.network": NETWORK,
    "etc/systemd/resolved.conf.d/10-dhcp-only.conf": RESOLVED,
    "etc/systemd/system/systemd-networkd-wait-online.service.d/10-any.conf": WAIT_ONLINE,
}

# Units that would only cost time in a guest that lives in a closed network.
MASKED_UNITS = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "systemd-pstore.service",
)


def overlay(files: Mapping[str, str] = FILES, masked_units: Iterable[str] = MASKED_UNITS) -> bytes:
    """A tar archive, the same bytes each time, of `files` (0644, root) and of the links that mask units."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, text in sorted(files.items()):
            content = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for unit in sorted(masked_units):
            link = tarfile.TarInfo(f"etc/systemd/system/{unit}")
            link.type = tarfile.SYMTYPE
            link.linkname = "/dev/null"
            archive.addfile(link)
    return stream.getvalue()
