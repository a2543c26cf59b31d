"""Empty images are what QEMU makes of the same words, and QEMU finds nothing wrong with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from souche import run
from souche.formats.qcow2 import read_header
from souche.formats.qcow2_empty import empty_image
from souche.storage.qcow2 import argv

GIB = 1 << 30
SIZES = (512, 1 << 20, 10 * GIB + 512, 14 << 40)


def write(path: Path, size_bytes: int, backing: str | None = None) -> Path:
    image = empty_image(size_bytes, backing)
    with path.open("xb") as file:
        file.truncate(image.file_bytes)
        for offset, data in image.pieces.items():
            file.seek(offset)
            file.write(data)
    return path


def info(path: Path) -> dict[str, Any]:
    """What QEMU says of a file, but for its name and what it takes on the medium."""
    said: dict[str, Any] = json.loads(
        run.run(["qemu-img", "info", "-f", "qcow2", "--output=json", path], timeout_seconds=60)
    )
    return {
        name: value for name, value in said.items() if name not in ("filename", "actual-size", "children")
    }


@pytest.mark.parametrize("size_bytes", SIZES)
def test_an_empty_image_is_as_qemu_makes_it(tmp_path: Path, size_bytes: int) -> None:
    ours, theirs = write(tmp_path / "ours", size_bytes), tmp_path / "theirs"
    create = ("qemu-img", "create", "-q", "-f", "qcow2", "-o", argv.QCOW2_OPTIONS)
    run.run([*create, theirs, str(size_bytes)], timeout_seconds=60)
    assert info(ours) == info(theirs)
    run.run(["qemu-img", "check", "-q", "-f", "qcow2", ours], timeout_seconds=60)
    assert ours.stat().st_blocks * 512 <= 64 * 1024


@pytest.mark.parametrize("size_bytes", SIZES)
def test_an_overlay_is_as_qemu_makes_it(tmp_path: Path, size_bytes: int) -> None:
    write(tmp_path / "below.qcow2", size_bytes)
    ours, theirs = write(tmp_path / "ours", size_bytes, "below.qcow2"), tmp_path / "theirs"
    run.run(argv.create_overlay(theirs, "below.qcow2", size_bytes), timeout_seconds=60)
    assert info(ours) == info(theirs)
    run.run(["qemu-img", "check", "-q", "-f", "qcow2", ours], timeout_seconds=60)
    with ours.open("rb") as image:
        header = read_header(image)
    assert (header.backing_file, header.backing_format) == ("below.qcow2", "qcow2")


def test_an_overlay_reads_as_what_lies_below_and_takes_writes(tmp_path: Path) -> None:
    write(tmp_path / "below.qcow2", GIB)
    ours = tmp_path / "ours.qcow2"
    for path, pattern, place in ((tmp_path / "below.qcow2", 1, 0), (ours, 2, 512 << 20)):
        if path == ours:
            write(ours, 2 * GIB, "below.qcow2")
        command = f"write -P {pattern} {place} 64k"
        run.run(["qemu-io", "-f", "qcow2", "-c", command, path], timeout_seconds=60)
    reads = ("read -P 1 0 64k", "read -P 2 512M 64k", "read -P 0 1G 64k")
    commands = [word for read in reads for word in ("-c", read)]
    said = run.run(["qemu-io", "-f", "qcow2", *commands, ours], timeout_seconds=60)
    assert b"verification failed" not in said
    run.run(["qemu-img", "check", "-q", "-f", "qcow2", ours], timeout_seconds=60)


@pytest.mark.parametrize(("size_bytes", "backing"), [(513, None), (512, ""), (512, "n" * 1024)])
def test_what_no_image_can_be_is_refused(size_bytes: int, backing: str | None) -> None:
    with pytest.raises(ValueError, match=r"not a multiple|not possible"):
        empty_image(size_bytes, backing)
