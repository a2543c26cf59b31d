"""A region on the real libvirt for tests: a home that QEMU's user can reach, disks, and nothing left
afterwards."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.model.disks import DiskSource, FileSource
from souche.run import run

MEBIBYTE = 1024 * 1024
# mov dx,0x505; mov al,1; out dx,al; stop: hlt; jmp stop: as a kernel's driver of pvpanic does
PANIC_SECTOR = bytes.fromhex("ba0505 b001 ee f4 ebfd").ljust(510, b"\0") + b"\x55\xaa"

# Writes 32 KiB after 32 KiB by int 0x13, from sector 64 on:
# xor ax,ax; mov ds,ax; mov si,0x7c15; next: mov ax,0x4300; mov dl,0x80; int 0x13; add dword [si+8],64; jmp next
FILLING_SECTOR = (
    bytes.fromhex(
        "31c0 8ed8 be157c b80043 b280 cd13 6683440840 ebf2 1000 4000 007c0000 4000000000000000"
    ).ljust(510, b"\0")
    + b"\x55\xaa"
)


@dataclass
class DiskShelf:
    """Makes qcow2 disks, overlays and bootable raw disks in one directory."""

    directory: Path
    names: Iterator[int] = field(default_factory=count)

    def new_disk(self) -> FileSource:
        path = self._path("qcow2")
        run(["qemu-img", "create", "-q", "-f", "qcow2", path, "64M"], timeout_seconds=20)
        return FileSource(path, "qcow2")

    def overlay_on(self, source: DiskSource) -> FileSource:
        assert isinstance(source, FileSource)
        path = self._path("qcow2")
        backing = ["-b", source.path.name, "-F", source.format]
        run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, path], timeout_seconds=20)
        return FileSource(path, "qcow2")

    def filling_disk(self, folder: Path) -> FileSource:
        """A disk whose boot sector fills its 64 MiB."""
        path = folder / "filling.qcow2"
        raw = self.boot_disk(FILLING_SECTOR).path
        run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path], timeout_seconds=20)
        run(["qemu-img", "resize", "-q", path, "64M"], timeout_seconds=20)
        return FileSource(path, "qcow2")

    def boot_disk(self, sector: bytes) -> FileSource:
        path = self._path("raw")
        path.write_bytes(sector.ljust(MEBIBYTE, b"\0"))
        return FileSource(path, "raw")

    def _path(self, suffix: str) -> Path:
        return self.directory / f"disk-{next(self.names)}.{suffix}"


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """A directory that QEMU's user can pass through, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="souche-test-"))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@contextmanager
def region(
    home: Path,
    cidr: str,
    public_range: str | None = None,
    *,
    nat: bool = False,
    reboot_grace_seconds: float = 0.5,
) -> Iterator[LibvirtHypervisor]:
    """A region that takes its guests and its network with it."""
    hypervisor = LibvirtHypervisor(
        home, cidr, public_range, nat=nat, reboot_grace_seconds=reboot_grace_seconds
    )
    try:
        yield hypervisor
    finally:
        for vm_id in hypervisor.power_states():
            hypervisor.remove(vm_id)
        hypervisor.remove_network()
        hypervisor.close()
