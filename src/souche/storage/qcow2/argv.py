"""The command lines of qemu-img. Each states every format, so that no format is guessed (design 3.7).

Images are version 3 (`compat=1.1`), for zero clusters and feature bits. Lazy refcounts are off, so that an image needs
no repair after a crash of its writer. Cluster size and refcount width are QEMU's defaults (64 KiB, 16 bits). Extended
L2 entries are off: they speed up small writes into large overlays, but double the metadata, and reading a layer would
require QEMU >= 5.2. Nothing is preallocated, so that a clone takes constant time.
"""

from pathlib import Path
from typing import Final

from souche.model.disks import DiskFormat

QCOW2_OPTIONS: Final = "compat=1.1,lazy_refcounts=off"


def create_overlay(path: Path, backing: str, size_bytes: int) -> list[str]:
    """A new image on top of `backing`, a name that is stored unchanged. `-u`: the backing file is not opened, because a
    running guest may have it open for writing."""
    return [
        *("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-o", QCOW2_OPTIONS),
        *("-b", backing, "-F", "qcow2", str(path), str(size_bytes)),
    ]


def grow(path: Path, size_bytes: int) -> list[str]:
    """Change the virtual size. qemu-img refuses to shrink without `--shrink`."""
    return ["qemu-img", "resize", "-q", "-f", "qcow2", str(path), str(size_bytes)]


def check_idle(path: Path) -> list[str]:
    """Fails if any process has the image open for writing: qemu-img honours QEMU's image locks (no `-U`)."""
    return ["qemu-img", "info", "-f", "qcow2", str(path)]


def convert(source: Path, source_format: DiskFormat, target: Path) -> list[str]:
    """Copy an image into a new one without a backing file; holes stay holes."""
    return [
        *("qemu-img", "convert", "-q", "-f", source_format, "-O", "qcow2"),
        *("-o", QCOW2_OPTIONS, str(source), str(target)),
    ]


def measure(source: Path, source_format: DiskFormat) -> list[str]:
    """The largest size of such a copy, as JSON."""
    return ["qemu-img", "measure", "--output=json", "-f", source_format, "-O", "qcow2", str(source)]


def rebase(path: Path, backing: Path) -> list[str]:
    """Rebase an image onto another file of its chain, and copy the data of the layers between into it."""
    return ["qemu-img", "rebase", "-q", "-f", "qcow2", "-b", str(backing), "-F", "qcow2", str(path)]


def rename_backing(path: Path, backing: str) -> list[str]:
    """Change only the backing file's name in an image's header."""
    return ["qemu-img", "rebase", "-q", "-u", "-f", "qcow2", "-b", backing, "-F", "qcow2", str(path)]
