"""Disks for tests, made in milliseconds by mkfs alone: a Linux system of a few files, and what makes it bad."""

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20
PARTITION: Final = MIB
KEY_BLOB: Final = "AAAAC3NzaC1lZDI1NTE5AAAAIJCoGZi1xSGFiYTgUBvGVFYBCBBd1OJ9Q5qZRCnDmJJ1"
KEY: Final = f"ssh-ed25519 {KEY_BLOB} author@laptop\n"
SECRET: Final = "c0rrect-h0rse-battery-staple"
PRIVATE_KEY: Final = f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----\n"
HASH: Final = f"$6$saltsalt${SECRET}"
VIRTIO: Final = "kernel/drivers/block/virtio_blk.ko\nkernel/drivers/net/virtio_net.ko\n"

PASSWD: Final = "root:x:0:0:root:/root:/bin/bash\noutscale:x:1000:1000::/home/outscale:/bin/bash\n"
GOOD: Final[Mapping[str, str]] = {
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
    "etc/passwd": PASSWD,
    "etc/shadow": "root:*:19000:0:99999:7:::\noutscale:!:19000:0:99999:7:::\n",
    "etc/fstab": "UUID=11111111-2222-3333-4444-555555555555 / ext4 defaults 0 1\n",
    "etc/machine-id": "",
    "etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin no\n",
    "etc/ssh/sshd_config.d/10-keys.conf": "PasswordAuthentication no\n",
    "etc/cloud/cloud.cfg": "datasource_list: [ Ec2 ]\n",
    "usr/bin/cloud-init": "#!/usr/bin/python3\n",
    "lib/modules/6.1.0/modules.builtin": VIRTIO,
    "boot/vmlinuz-6.1.0": "kernel",
    "root/.profile": "mesg n\n",
    "home/outscale/.profile": "umask 022\n",
}


@dataclass(frozen=True)
class Files:
    """The files of a system: those of a good one, with some changed, removed (None) or linked; and their modes."""

    changed: Mapping[str, str | bytes | None] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    base: Mapping[str, str] = field(default_factory=lambda: GOOD)


LEFT_ON_DATA: Final = Files(
    {
        "home/dave/.ssh/id_rsa": PRIVATE_KEY,
        "home/dave/.ssh/authorized_keys": KEY,
        "dave/.aws/credentials": f"aws_secret_access_key = {SECRET}\n",
        ".bash_history": "mysql -psecret\n",
        "backup/keys/server.pem": PRIVATE_KEY,
        "share/notes": "nothing",
    },
    base={},
)
"""what the author of an image may leave on a data disk"""
FOUND_ON_DATA: Final = (
    ("private-key", "/home/dave/.ssh/id_rsa"),
    ("authorized-key", "/home/dave/.ssh/authorized_keys"),
    ("cloud-credentials", "/dave/.aws/credentials"),
    ("shell-history", "/.bash_history"),
    ("private-key", "/backup/keys/server.pem"),
)


def lay(files: Files, folder: Path) -> None:
    """Write the files below a folder."""
    content = {**files.base, **files.changed}
    for name, text in content.items():
        path = folder / name
        if text is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
    for name, target in files.links.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    for name, mode in files.modes.items():
        (folder / name).chmod(mode)


def ext(path: Path, files: Files, kind: str = "ext4", size_mib: int = 8, *options: str) -> Path:
    """A file system in a file, made of a folder."""
    with tempfile.TemporaryDirectory() as folder:
        lay(files, Path(folder))
        uuid = ["-U", "11111111-2222-3333-4444-555555555555"]
        made_by("mkfs." + kind, "-q", "-F", *uuid, "-d", folder, *options, str(path), f"{size_mib}M")
    return path


def disk(path: Path, *file_systems: Path, boot_code: bytes = b"\xebGRUB", kind: int = 0x83) -> Path:
    """A disk with a partition table (MBR), and a partition for each file system."""
    table, at = bytearray(512), PARTITION
    table[: len(boot_code)] = boot_code
    with path.open("wb") as image:
        for index, each in enumerate(file_systems):
            size = -(-each.stat().st_size // MIB) * MIB
            entry = struct.pack("<B3xB3xII", 0x80 if index == 0 else 0, kind, at // 512, size // 512)
            table[446 + 16 * index : 462 + 16 * index] = entry
            image.seek(at)
            with each.open("rb") as content:
                shutil.copyfileobj(content, image)
            at += size
        table[510:] = b"\x55\xaa"
        image.truncate(at)
        image.seek(0)
        image.write(table)
    return path


def linux(folder: Path, files: Files = Files(), *, kind: str = "ext4") -> Path:
    """A disk with a Linux system in its first partition."""
    return disk(folder / "disk.raw", ext(folder / "root.img", files, kind))


def fat(path: Path, files: Mapping[str, str]) -> Path:
    """A FAT file system in a file."""
    with path.open("wb") as image:
        image.truncate(4 * MIB)
    made_by("mkfs.vfat", "-n", "ESP", str(path))
    folders = {str(parent) for name in files for parent in Path(name).parents if str(parent) != "."}
    for folder in sorted(folders):
        made_by("mmd", "-i", str(path), f"::{folder}")
    for name, text in files.items():
        made_by("mcopy", "-i", str(path), "-", f"::{name}", stdin=text.encode())
    return path


def xfs(path: Path, files: Mapping[str, str]) -> Path:
    """An XFS file system in a file: mkfs fills it by a prototype."""
    with tempfile.TemporaryDirectory() as folder:
        lines = ["/dev/null", "0 0", "d--755 0 0"]
        for number, (name, text) in enumerate(files.items()):
            (Path(folder) / str(number)).write_text(text)
            *parents, last = name.split("/")
            lines += [f"{parent} d--755 0 0" for parent in parents]
            lines += [f"{last} ---644 0 0 {folder}/{number}", *("$" for _ in parents)]
        (Path(folder) / "prototype").write_text("\n".join([*lines, "$", ""]))
        with path.open("wb") as image:
            image.truncate(300 * MIB)
        made_by("mkfs.xfs", "-q", "-p", f"{folder}/prototype", str(path))
    return path


def btrfs(folder: Path, files: Files) -> Path:
    """A disk with a Linux system on btrfs."""
    image = folder / "btrfs.img"
    with tempfile.TemporaryDirectory() as root:
        lay(files, Path(root))
        with image.open("wb") as made:
            made.truncate(128 * MIB)
        made_by("mkfs.btrfs", "-q", "--rootdir", root, str(image))
    return disk(folder / "disk.raw", image)


def leave_log_dirty(path: Path) -> None:
    """As a running guest leaves XFS's log: its newest record is no unmount."""
    with path.open("r+b") as image, mmap(image.fileno(), 0) as content:
        content[content.find(b"\xfe\xed\xba\xbe") + 512 + 9] = 0


def leave_in_journal(path: Path, name: str, text: str) -> int:
    """Write a file, and remove /etc/fstab, in the journal of an ext4 file system alone. The size of a block."""
    after = path.with_suffix(".after")
    shutil.copyfile(path, after)
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "new"
        new.write_text(text)
        made_by("debugfs", "-w", "-R", f"write {new} {name}", str(after))
        made_by("debugfs", "-w", "-R", "rm etc/fstab", str(after))
        old, made = path.read_bytes(), after.read_bytes()
        block_bytes = 1024 << old[1024 + 0x18]
        places = range(0, len(old), block_bytes)
        changed = [at for at in places if old[at : at + block_bytes] != made[at : at + block_bytes]]
        new.write_bytes(b"".join(made[at : at + block_bytes] for at in changed))
        numbers = ",".join(str(at // block_bytes) for at in changed)
        made_by("debugfs", "-w", "-f", "-", str(path), stdin=f"jo\njw -b {numbers} {new}\njc\n".encode())
    return block_bytes


def made_by(*command: str, stdin: bytes | None = None) -> bytes:
    """The output of a program, which must succeed."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "MTOOLS_SKIP_CHECK": "1"}
    done = subprocess.run(command, input=stdin, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class BytesSource:
    """Bytes as a source."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size(self) -> int:
        return len(self._content)

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length] if offset >= 0 else b""


class FileSource:
    """A file as a source."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as image:
            self._content = mmap(image.fileno(), 0, access=ACCESS_READ)

    @property
    def size(self) -> int:
        return len(self._content)

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length] if offset >= 0 else b""
