"""Disk files in the form of other products, made from a raw disk, by qemu-img or by these functions."""

import io
import struct
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

DRIVERS: Final = {"vhd": "vpc"}
OVF: Final = b'<?xml version="1.0"?><Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"/>'


def make(raw: Path, path: Path, disk_format: str, options: str = "") -> Path:
    """The disk in another format."""
    chosen = ["-o", options] if options else []
    driver = DRIVERS.get(disk_format, disk_format)
    argv = ["qemu-img", "convert", "-f", "raw", "-O", driver, *chosen, str(raw), str(path)]
    subprocess.run(argv, check=True, capture_output=True)
    return path


def archive(path: Path, members: Mapping[str, bytes], tar_format: int = tarfile.USTAR_FORMAT) -> Path:
    """A tar archive, such as an OVA."""
    with tarfile.open(path, "w", format=tar_format) as made:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mtime = 1.5 if tar_format == tarfile.PAX_FORMAT else 1  # a fraction needs a pax header
            made.addfile(member, io.BytesIO(data))
    return path


def patched(path: Path, offset: int, layout: str, *values: int) -> Path:
    """The file with a changed field; a negative offset counts from the end."""
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, offset % len(data) if offset < 0 else offset, *values)
    path.write_bytes(data)
    return path


def vhd_of_type(path: Path, disk_type: int) -> Path:
    """A VHD with another type in its footer, with a matching checksum."""
    data = bytearray(path.read_bytes())
    footer = data[-512:]
    struct.pack_into(">II", footer, 60, disk_type, 0)
    struct.pack_into(">I", footer, 64, ~sum(footer) & 0xFFFFFFFF)
    data[-512:] = footer
    path.write_bytes(data)
    return path
