"""Converts a disk in a format that only QEMU reads into a qcow2 file.

The file was inspected and is self-contained. Still, qemu-img reads it in a sandbox, and its output is checked like a
disk from outside.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from souche.errors import ProgramFailed, ProgramTimedOut
from souche.formats.disk_refusals import BadDisk, DiskExpands
from souche.formats.foreign_disks import InspectedDisk
from souche.model.disk_imports import SourceFormat
from souche.room import Room, full
from souche.transfer import sandbox

DRIVERS: Final[dict[SourceFormat, str]] = {"qcow2": "qcow2", "vmdk": "vmdk", "vhd": "vpc", "vhdx": "vhdx"}
"""QEMU's names"""
OPTIONS: Final[dict[SourceFormat, dict[str, str]]] = {"vhd": {"force_size_calc": "current_size"}}
"""A VHD states its size twice, in bytes and as a rounded geometry. For some files QEMU uses the geometry."""
TARGET_OPTIONS: Final = "compat=1.1,lazy_refcounts=off"
LEAST_SECONDS: Final = 600.0
SLOWEST_BYTES_PER_SECOND: Final = 4 * 1024 * 1024
NAMES: Final = re.compile(r" ?'json:[^']*'|/disk|/target")
SLACK_BYTES: Final = 64 * 1024 * 1024
BLOCK_BYTES: Final = 512
"""of `st_blocks` (inode(7))"""


class DiskNotConverted(BadDisk):
    """The {format} disk cannot be converted: {reason}"""


class CannotConvert(BadDisk):
    """Souche has to convert the disk ({feature}), and this machine lacks a sandbox for it (bubblewrap: `souche
    doctor`). `qemu-img convert -f {driver} -O qcow2 FILE DISK.qcow2` makes a disk that is accepted."""


def convert(
    path: Path, disk: InspectedDisk, room: Room, *, most_data_bytes: int, watch: Callable[[], object]
) -> None:
    """Replace a disk file by a qcow2 file. `watch` is called repeatedly; if it raises, the conversion ends.

    Raises:
        CannotConvert, DiskNotConverted: the disk is unchanged. DiskExpands: it has more than `most_data_bytes`.
        OutOfSpace.
    """
    if sandbox.problem() is not None:
        raise CannotConvert(feature=_feature(disk), driver=DRIVERS[disk.format])
    target = path.with_name(f"{path.name}.qcow2")
    try:
        target.touch(mode=0o600)
        _run(path, target, disk, room, most_data_bytes, watch)
        target.replace(path)
    finally:
        target.unlink(missing_ok=True)


def _run(
    path: Path,
    target: Path,
    disk: InspectedDisk,
    room: Room,
    most_data_bytes: int,
    watch: Callable[[], object],
) -> None:
    seconds = LEAST_SECONDS + path.stat().st_size / SLOWEST_BYTES_PER_SECOND
    read_bytes = path.stat().st_size

    def look() -> None:
        watch()
        room.check()
        written_bytes = target.stat().st_blocks * BLOCK_BYTES
        if written_bytes > most_data_bytes:
            raise DiskExpands(data_bytes=written_bytes, read_bytes=read_bytes)

    try:
        told = json.loads(
            sandbox.run_in(measure_command(disk.format), path, timeout_seconds=seconds, watch=look)
        )
        room.ask(min(int(told["required"]), most_data_bytes))
        sandbox.run_in(
            convert_command(disk.format),
            path,
            target,
            most_written_bytes=int(told["fully-allocated"]) + SLACK_BYTES,
            timeout_seconds=seconds,
            watch=look,
        )
    except ProgramTimedOut as error:
        raise DiskNotConverted(
            format=disk.format, reason=f"it takes more than {seconds:.0f} seconds."
        ) from error
    except ProgramFailed as error:
        raise full(error) or DiskNotConverted(format=disk.format, reason=_said(error)) from error


def measure_command(disk_format: SourceFormat) -> list[str]:
    """Estimates the largest size of the converted file, as JSON."""
    return ["qemu-img", "measure", "--output=json", "-O", "qcow2", _image(disk_format)]


def convert_command(disk_format: SourceFormat) -> list[str]:
    """Converts into an existing file; zeros become holes."""
    return [
        *("qemu-img", "convert", "-q", "-O", "qcow2", "-o", TARGET_OPTIONS),
        *(_image(disk_format), sandbox.TARGET),
    ]


def _image(disk_format: SourceFormat) -> str:
    """The file with every driver named, so that QEMU guesses no format and opens no backing file."""
    file = {"driver": "file", "filename": sandbox.SOURCE}
    node = {
        "driver": DRIVERS[disk_format],
        **OPTIONS.get(disk_format, {}),
        "backing": None,
        "file": file,
    }
    return f"json:{json.dumps(node)}"


def _feature(disk: InspectedDisk) -> str:
    return "qcow2 with extended L2 entries" if disk.format == "qcow2" else disk.format


def _said(error: ProgramFailed) -> str:
    """qemu-img's message, without the names that the disk has in the sandbox."""
    lines = str(error.fields["stderr"]).splitlines() or [
        f"qemu-img ended with status {error.fields['status']}"
    ]
    return NAMES.sub("", " ".join(line.removeprefix("qemu-img: ") for line in lines))[:300]
