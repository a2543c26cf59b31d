"""The kinds of findings: the severity and the remedy of each code. docs/trust.md explains them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from souche.model.image_reports import NOT_GENERALISED, Finding, Severity

NEW_USER: Final = "each new user"
NOBODYS_NAMES: Final = (None, "", "root", NEW_USER)
"""Users whose names reveal nothing."""
HIGH, MEDIUM, LOW, INFO = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO


@dataclass(frozen=True)
class Code:
    """A kind of finding. `remedy` is advice for the author of the image."""

    severity: Severity
    remedy: str


CODES: Final[Mapping[str, Code]] = {
    "authorized-key": Code(HIGH, "Remove the authorized_keys file before you make the image."),
    "usable-password": Code(HIGH, "Lock the account's password: passwd -l USER."),
    "empty-password": Code(HIGH, "Lock the account's password: passwd -l USER."),
    "host-key": Code(HIGH, "Remove /etc/ssh/ssh_host_*; have cloud-init make new ones at the first start."),
    "private-key": Code(HIGH, "Remove the key, and replace it wherever its public half is trusted."),
    "cloud-credentials": Code(HIGH, "Remove the file, and revoke what it holds."),
    "shell-history": Code(MEDIUM, "Remove the history files of every user."),
    "sudo-nopasswd": Code(LOW, "Remove the rule; cloud-init writes one for its own user at the first start."),
    "sshd-password": Code(MEDIUM, "Set PasswordAuthentication no in sshd_config."),
    "sshd-root": Code(MEDIUM, "Set PermitRootLogin prohibit-password or no in sshd_config."),
    "sshd-key-command": Code(
        MEDIUM, "Remove AuthorizedKeysCommand, unless its program asks a service of the region."
    ),
    "sshd-no-keys": Code(MEDIUM, "Set PubkeyAuthentication yes in sshd_config."),
    "cleartext-service": Code(HIGH, "Disable the service; use SSH."),
    "network-service": Code(LOW, "Disable the service, unless the image is made for it."),
    "machine-id": Code(MEDIUM, "Empty /etc/machine-id: truncate -s 0 /etc/machine-id."),
    "cloud-init-data": Code(MEDIUM, "Run cloud-init clean --logs before you make the image."),
    "dhcp-lease": Code(LOW, "Remove the lease files."),
    "persistent-net": Code(MEDIUM, "Remove the rules file: it names interfaces by the author's MAC address."),
    "logs": Code(LOW, "Empty the logs, which hold names and addresses."),
    "setuid-file": Code(HIGH, "Remove the file, or its setuid bit, unless a package has put it there."),
    "world-writable": Code(MEDIUM, "Take the right to write from others: chmod o-w."),
    "end-of-life": Code(MEDIUM, "Move to a release that still gets security updates."),
    "packages": Code(INFO, "Nothing has to be done."),
    "boot-loader": Code(MEDIUM, "Install the boot loader, or take the boot mode from the image."),
    "no-system": Code(MEDIUM, "Make images of disks that have an operating system."),
    "no-virtio": Code(MEDIUM, "Install a kernel, or drivers, for virtio disks and networks."),
    "fstab-device": Code(MEDIUM, "Name file systems by UUID= or LABEL=."),
    "no-cloud-init": Code(MEDIUM, "Install cloud-init with the Ec2 data source."),
    NOT_GENERALISED: Code(HIGH, "Run sysprep /generalize /oobe /shutdown, and make the image then."),
    "windows-password": Code(HIGH, "Remove the password: the answer file, or the automatic logon."),
    "windows-domain": Code(MEDIUM, "Leave the domain before you make the image."),
    "needs-repair": Code(MEDIUM, "Have the file system checked, shut the VM down, and make the image then."),
    "unreadable": Code(MEDIUM, "Nobody knows what is in it; use a file system that is read."),
}


def finding(
    code: str,
    path: str,
    text: str,
    *,
    fingerprint: str = "",
    severity: Severity | None = None,
    user: str | None = None,
) -> Finding:
    """A finding of a kind, with the severity of its kind unless another is given."""
    kind = CODES[code]
    hidden_user = None if user in NOBODYS_NAMES else user
    return Finding(code, severity or kind.severity, path, fingerprint, text, kind.remedy, hidden_user)
