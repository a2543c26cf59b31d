"""Disks to export, and a source behind NBD for tests."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from souche import run
from souche.storage import nbd

MIB = 1024 * 1024
SIZE = 300 * MIB + 4096
WRITTEN = {0: MIB, 3 * MIB + 512: 700, 128 * MIB: 9 * MIB, SIZE - 4096: 4096}


def qcow2_disk(directory: Path, written: dict[int, int] = WRITTEN, size: int = SIZE) -> Path:
    """A qcow2 file with noise at some places (offset: length), and a part that was written and zeroed again."""
    path, noise = directory / "source.qcow2", directory / "noise"
    run.run(["qemu-img", "create", "-q", "-f", "qcow2", path, str(size)], timeout_seconds=60)
    commands = [f"write -q -P 7 {200 * MIB} 1M", f"write -q -z {200 * MIB} 1M"] if size > 201 * MIB else []
    for offset, length in written.items():
        source = noise.with_suffix(f".{offset}")
        source.write_bytes(random.Random(offset).randbytes(length))
        commands.append(f"write -q -s {source} {offset} {length}")
    argv = [argument for command in commands for argument in ("-c", command)]
    run.run(["qemu-io", "-f", "qcow2", *argv, path], timeout_seconds=60)
    return path


@contextmanager
def served(path: Path) -> Iterator[str]:
    """The NBD URI of a qcow2 file."""
    with TemporaryDirectory() as place, nbd.serve(path, "qcow2", Path(place)) as uri:
        yield uri
