"""A Linux system with everything that its author may have left, and with links that lead where nothing may happen."""

from typing import Final

from tests.trust.corpus import GOOD, HASH, KEY, PRIVATE_KEY, SECRET, Files

HOME: Final = "home/outscale"
TYPED: Final = f"mysql -p{SECRET}\n"

LEFT: Final = {
    f"{HOME}/.ssh/authorized_keys": f"# mine\n{KEY}",
    "root/.ssh/authorized_keys": f'command="echo no" {KEY}',
    "home/stray/.ssh/authorized_keys2": KEY,
    "etc/ssh/keys/outscale": f"cert-authority {KEY}not a key\n",
    "etc/shadow": f"root:{HASH}:19000::::::\noutscale::19000::::::\nzoe:!{HASH}:19000::::::\n",
    "etc/gshadow": f"root:*::\nstaff:{HASH}::\n",
    "etc/shadow-": f"root:{HASH}:19000::::::\n",
    "etc/ssh/ssh_host_rsa_key": PRIVATE_KEY,
    "etc/ssh/ssh_host_rsa_key.pub": KEY,
    "etc/skel/.ssh/authorized_keys": KEY,
    "etc/dropbear/initramfs/authorized_keys": KEY,
    "root/.ssh/id_rsa": PRIVATE_KEY,
    "root/.ssh/id_rsa.pub": KEY,
    "root/.ssh/known_hosts": "work.example ssh-rsa AAAA\n",
    "etc/ssl/private/www.key": PRIVATE_KEY,
    "root/.osc/config.json": f'{{"default": {{"secret_key": "{SECRET}"}}}}',
    f"{HOME}/.aws/credentials": f"aws_secret_access_key = {SECRET}\n",
    f"{HOME}/.bashrc": f"alias ll='ls -l'\nexport AWS_SECRET_ACCESS_KEY={SECRET}\numask 022\n",
    "etc/environment": f"LANG=C\nOSC_SECRET_KEY={SECRET}\n",
    "root/.bash_history": TYPED,
    f"{HOME}/.mysql_history": TYPED,
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "var/lib/dbus/machine-id": "0123456789abcdef0123456789abcdef\n",
    "var/lib/systemd/random-seed": SECRET,
    "var/lib/cloud/instances/i-12345678/user-data.txt": SECRET,
    "var/lib/cloud/data/previous-instance-id": "i-12345678",
    "var/lib/cloud/sem/config": "x",
    "var/lib/cloud/scripts/per-boot/own": "#!/bin/sh\n",
    "var/lib/dhcp/dhclient.eth0.leases": f"lease {SECRET}",
    "etc/udev/rules.d/70-persistent-net.rules": 'ATTR{address}=="00:11:22:33:44:55", NAME="eth0"',
    "etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nHWADDR=00:11:22:33:44:55\nONBOOT=yes\n",
    "var/log/auth.log": f"Accepted publickey {SECRET}",
    "var/log/auth.log.1.gz": SECRET,
    "var/log/journal/0123/system.journal": SECRET,
    "var/mail/root": SECRET,
    "var/crash/core": SECRET,
    "tmp/notes": SECRET,
    "var/tmp/folder/notes": SECRET,
    "etc/ssh/sshd_config": "PasswordAuthentication no\nAuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u\n"
    "TrustedUserCAKeys /etc/ssh/ca.pub\nMatch User zoe\nAuthorizedKeysFile /etc/ssh/zoe\n",
    "etc/ssh/ca.pub": KEY,
    "etc/ssh/zoe": KEY,
    "srv/kept": "kept",
}
LINKS: Final = {
    "var/lib/cloud/instance": "instances/i-12345678",
    "var/lib/dhclient": "../../etc",
    f"{HOME}/.zsh_history": "/etc/passwd",
    "root/.netrc": "/etc/os-release",
    "root/.python_history": "../../../../../../../srv/kept",
    "var/log/link": "/srv/kept",
    "tmp/link": "/srv",
}
BAD: Final = Files(LEFT, LINKS)
KEPT: Final = {
    "etc/passwd": GOOD["etc/passwd"],
    "etc/os-release": GOOD["etc/os-release"],
    "srv/kept": "kept",
    f"{HOME}/.bashrc": "alias ll='ls -l'\n:\numask 022\n",
    "etc/environment": "LANG=C\n",
    "etc/shadow": "root:*:19000::::::\noutscale:*:19000::::::\nzoe:!:19000::::::\n",
    "etc/gshadow": "root:*::\nstaff:*::\n",
    "etc/ssh/keys/outscale": "not a key\n",
    "etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nONBOOT=yes\n",
    "var/lib/cloud/scripts/per-boot/own": "#!/bin/sh\n",
    "etc/machine-id": "",
    "var/log/auth.log": "",
}
"""What is there afterwards, and what it has."""
