"""The files of a guest on the host in addition to its disks, and the paths that QEMU's user must reach."""

import contextlib
import errno
import grp
import os
import pwd
import shutil
from pathlib import Path

from souche.compute.libvirt import guest_sockets
from souche.errors import ComputeFailed

QEMU_USER = "libvirt-qemu"  # Debian's default; qemu.conf may name another user
SCREEN = "screen"
LIBVIRT_LOGS = Path("/var/log/libvirt/qemu")
TPM_LOGS = Path("/var/log/swtpm/libvirt/qemu")
UEFI_CODE, UEFI_VARIABLES = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"


class GuestFiles:
    """`<home>/guests/<vm_id>/`: console log, UEFI variables and sockets of each guest."""

    def __init__(self, home: Path) -> None:
        self.root = home.resolve() / "guests"

    def prepare(self, vm_id: str) -> None:
        """Create the guest's directory. QEMU's group can traverse it, but not list it. QEMU's user creates the screen's
        socket in a separate folder."""
        directory, group = self.root / vm_id, qemu_group()
        directory.mkdir(parents=True, exist_ok=True)
        for each in (self.root, directory):
            os.chown(each, -1, group)
            each.chmod(0o710)
        screen = directory / SCREEN
        screen.mkdir(mode=0o700, exist_ok=True)
        os.chown(screen, _account(QEMU_USER).pw_uid, group, follow_symlinks=False)

    def console(self, vm_id: str) -> Path:
        return self.root / vm_id / "console.log"

    def nvram(self, vm_id: str) -> Path:
        return self.root / vm_id / "uefi-variables.fd"

    def serial(self, vm_id: str) -> Path | None:
        """The socket of the serial console; None: the home's path is too long for one."""
        path = self.root / vm_id / "serial.sock"
        return path if guest_sockets.fits(path) else None

    def screen(self, vm_id: str) -> Path | None:
        """The socket of the screen (VNC); None: the home's path is too long for one."""
        path = self.root / vm_id / SCREEN / "vnc.sock"
        return path if guest_sockets.fits(path) else None

    def remove(self, vm_id: str) -> None:
        shutil.rmtree(self.root / vm_id, ignore_errors=True)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file owned by root, atomically and durably. libvirt gives it to QEMU's user when the guest starts."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def qemu_group(user: str = QEMU_USER) -> int:
    """The group that can read QEMU's files: the group named as QEMU's user, which Debian creates for that user alone,
    otherwise the user's primary group.

    Raises:
        ComputeFailed: there is no such user.
    """
    account = _account(user)
    with contextlib.suppress(KeyError):
        own = grp.getgrnam(user).gr_gid
        if own in os.getgrouplist(user, account.pw_gid):
            return own
    return account.pw_gid


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError as error:
        raise ComputeFailed(reason=f"there is no user {user}: install libvirt-daemon-system") from error


def remove_libvirt_logs(domain_name: str) -> None:
    """Remove libvirt's logs of a domain's QEMU and swtpm processes, which would outlive the domain."""
    for log_file in (*LIBVIRT_LOGS.glob(f"{domain_name}.log*"), *TPM_LOGS.glob(f"{domain_name}-swtpm.log*")):
        log_file.unlink(missing_ok=True)


def tpm_log_tail(domain_name: str, lines: int = 5) -> str:
    """The last lines of swtpm's and swtpm_setup's output for a domain, joined; empty if there is none."""
    try:
        text = (TPM_LOGS / f"{domain_name}-swtpm.log").read_text(errors="replace")
    except OSError:
        return ""
    return " | ".join(text.split("\n")[-lines - 1 :]).strip(" |")


def require_traversable(directory: Path, user: str = QEMU_USER) -> None:
    """Refuse a directory that QEMU's user cannot reach, now instead of at the first start of a guest.

    Raises:
        ComputeFailed: it names the first blocking directory, and the command that fixes it.
    """
    account = _account(user)
    groups = set(os.getgrouplist(user, account.pw_gid))
    resolved = directory.resolve()
    for each in reversed((resolved, *resolved.parents)):
        if not _may_pass(each, account.pw_uid, groups):
            raise ComputeFailed(
                reason=f"QEMU runs as {user}, who cannot enter {each}; "
                f"`setfacl -m u:{user}:x {each}` or `chmod o+x {each}` fixes it"
            )


def _may_pass(directory: Path, uid: int, gids: set[int]) -> bool:
    try:
        status = directory.stat()
    except FileNotFoundError as error:
        raise ComputeFailed(reason=f"{directory} does not exist") from error
    if _acl_lets_pass(directory, uid):
        return True
    if status.st_uid == uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid in gids:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def _acl_lets_pass(directory: Path, uid: int) -> bool:
    """Whether an access control list names the user with the right to enter. Entries of the kernel's format:
    tag (2 bytes; 2 is a named user), permissions (2; 1 is execute), id (4), after a version of 4 bytes."""
    try:
        acl = os.getxattr(directory, "system.posix_acl_access")[4:]
    except OSError:
        return False
    wanted = (2).to_bytes(2, "little"), uid.to_bytes(4, "little")
    entries = (acl[at : at + 8] for at in range(0, len(acl), 8))
    return any((each[:2], each[4:]) == wanted and each[2] & 1 for each in entries)


def bypasses_page_cache(disk: Path) -> bool:
    """Whether a file can be opened with O_DIRECT: some file systems (older tmpfs, some overlayfs) refuse."""
    try:
        os.close(os.open(disk, os.O_RDONLY | os.O_DIRECT))
    except OSError as error:
        return error.errno != errno.EINVAL
    return True
