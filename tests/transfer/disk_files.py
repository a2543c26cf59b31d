"""Disk files of all formats, and a gate that admits them."""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from souche import run
from souche.formats.disk_names import said_by
from souche.model.disk_imports import SaidOfDisk
from souche.room import ENDLESS, Room
from souche.transfer.gate import AdmittedDisk, take_file
from tests.support.foreign_disks import make

MIB = 1024 * 1024
SIZE = 6 * MIB + 3 * 512


@dataclass(frozen=True)
class Bench:
    """A raw disk, and a folder for what is made of it."""

    raw: Path
    folder: Path

    def made(self, disk_format: str, options: str = "") -> Path:
        return make(self.raw, self.folder / f"disk.{disk_format}", disk_format, options)

    def take(self, file: Path, said: SaidOfDisk | None = None, room: Room = ENDLESS) -> AdmittedDisk:
        (self.folder / "staging").mkdir(exist_ok=True)
        return take_file(
            file, self.folder / "staging" / "disk", said or said_by(file.name), most_bytes=2 * SIZE, room=room
        )


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with a signature, noise, a hole, and data in a last cluster that is not whole."""
    data = bytearray(SIZE)
    data[510:512] = b"\x55\xaa"
    data[2 * MIB : 3 * MIB] = random.Random(1).randbytes(MIB)
    data[-700:] = b"z" * 700
    path = tmp_path_factory.mktemp("raw") / "disk.raw"
    path.write_bytes(data)
    return path


@pytest.fixture
def bench(raw: Path, tmp_path: Path) -> Bench:
    return Bench(raw, tmp_path)


def vmdk_on_another(bench: Bench) -> Path:
    base, file = bench.made("vmdk"), bench.folder / "child.vmdk"
    run.run(["qemu-img", "create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", file], timeout_seconds=60)
    return file


def empty(file: Path) -> Path:
    file.touch()
    return file
