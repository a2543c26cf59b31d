"""Good disks are accepted, and each hostile one is refused."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from souche import run
from souche.formats import disk_refusals as gate
from souche.formats.disk_inspection import HEAD_BYTES, inspect_file, inspect_head
from souche.formats.disk_refusals import BadDisk
from souche.formats.foreign_disks import InspectedDisk
from souche.model.disk_imports import SaidOfDisk

MIB = 1024 * 1024
SIZE = 10 * MIB
SECRET = "/etc/shadow"


def image(directory: Path, *options: str, kind: str = "qcow2", size: int = SIZE) -> Path:
    path = directory / f"disk.{kind}"
    run.run(["qemu-img", "create", "-q", "-f", kind, *options, path, str(size)], timeout_seconds=60)
    return path


def patched(directory: Path, offset: int, layout: str, value: int) -> Path:
    """A good image with one field of its header changed."""
    path = image(directory)
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, offset, value)
    path.write_bytes(data)
    return path


HOSTILE: dict[str, tuple[type[BadDisk], Callable[[Path], Path]]] = {
    "backing file": (
        gate.DiskHasBackingFile,
        lambda at: image(at, "-u", "-b", SECRET, "-F", "raw"),
    ),
    "backing file, version 2": (
        gate.DiskHasBackingFile,
        lambda at: image(at, "-o", "compat=0.10", "-u", "-b", SECRET, "-F", "raw"),
    ),
    "backing name out of bounds": (gate.DiskHasBackingFile, lambda at: patched(at, 8, ">Q", 1 << 40)),
    "external data file": (
        gate.DiskHasDataFile,
        lambda at: image(at, "-o", f"data_file={at}/data,data_file_raw=on"),
    ),
    "unknown feature": (gate.DiskHasUnknownFeatures, lambda at: patched(at, 72, ">Q", 1 << 40)),
    "version 4": (gate.DiskHasUnknownFeatures, lambda at: patched(at, 4, ">I", 4)),
    "marked corrupt": (gate.DiskIsCorrupt, lambda at: patched(at, 72, ">Q", 2)),
    "marked dirty": (gate.DiskIsCorrupt, lambda at: patched(at, 72, ">Q", 1)),
    "encrypted": (gate.DiskIsEncrypted, lambda at: patched(at, 32, ">I", 2)),
    "internal snapshots": (gate.DiskHasSnapshots, lambda at: patched(at, 60, ">I", 3)),
    "cluster bits": (gate.DiskHeaderBroken, lambda at: patched(at, 20, ">I", 63)),
    "header length": (gate.DiskHeaderBroken, lambda at: patched(at, 100, ">I", 3)),
    "L1 too small": (gate.DiskTablesAbsurd, lambda at: patched(at, 36, ">I", 0)),
    "L1 too large": (gate.DiskTablesAbsurd, lambda at: patched(at, 36, ">I", 1 << 30)),
    "L1 nowhere": (gate.DiskTablesAbsurd, lambda at: patched(at, 40, ">Q", 0)),
    "L1 not aligned": (gate.DiskTablesAbsurd, lambda at: patched(at, 40, ">Q", 1234)),
    "refcount table too large": (gate.DiskTablesAbsurd, lambda at: patched(at, 56, ">I", 1 << 24)),
    "refcount table nowhere": (gate.DiskTablesAbsurd, lambda at: patched(at, 48, ">Q", 0)),
    "larger than announced": (gate.WrongDiskSize, lambda at: image(at, size=SIZE + 512)),
    "exabytes": (gate.WrongDiskSize, lambda at: patched(at, 24, ">Q", 1 << 60)),
    "empty": (gate.WrongDiskSize, lambda at: patched(at, 24, ">Q", 0)),
    "odd size": (gate.WrongDiskSize, lambda at: patched(at, 24, ">Q", 1234)),
    "vmdk": (gate.ForeignDiskFormat, lambda at: image(at, kind="vmdk")),
    "vmdk made of text": (
        gate.ForeignDiskFormat,
        lambda at: image(at, "-o", "subformat=monolithicFlat", kind="vmdk"),
    ),
    "vhdx": (gate.ForeignDiskFormat, lambda at: image(at, kind="vhdx")),
    "vhd": (gate.ForeignDiskFormat, lambda at: image(at, kind="vpc")),
    "vdi": (gate.ForeignDiskFormat, lambda at: image(at, kind="vdi")),
    "qed": (gate.ForeignDiskFormat, lambda at: image(at, "-u", "-b", SECRET, "-F", "raw", kind="qed")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    refusal, make = HOSTILE[name]
    path = make(tmp_path)
    with pytest.raises(BadDisk) as caught:
        inspect_file(path, SaidOfDisk(), most_bytes=SIZE)
    assert type(caught.value) is refusal
    if refusal is not gate.WrongDiskSize:
        assert "`qemu-img " in str(caught.value), "what to do is not said"
    assert caplog.messages == [], "the inspector logs what is told as a refusal"
    with pytest.raises(refusal):
        inspect_head(path.read_bytes()[:HEAD_BYTES], SaidOfDisk(), most_bytes=SIZE)


@pytest.mark.parametrize(
    "options", [(), ("-o", "compat=0.10"), ("-o", "cluster_size=2M"), ("-o", "cluster_size=512")]
)
def test_good_qcow2(options: tuple[str, ...], tmp_path: Path) -> None:
    path = image(tmp_path, *options)
    assert inspect_file(path, SaidOfDisk("qcow2"), most_bytes=SIZE) == InspectedDisk("qcow2", SIZE)


def test_good_raw(tmp_path: Path) -> None:
    path = image(tmp_path, kind="raw")
    assert inspect_file(path, SaidOfDisk(), most_bytes=SIZE) == InspectedDisk("raw", SIZE)
    assert inspect_head(bytes(512), SaidOfDisk("raw"), most_bytes=SIZE) == InspectedDisk("raw", None)


@pytest.mark.parametrize("size", [0, 1000, SIZE + 512])
def test_raw_of_a_wrong_size(size: int, tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(bytes(size))
    with pytest.raises(gate.WrongDiskSize):
        inspect_file(path, SaidOfDisk("raw"), most_bytes=SIZE)


def test_another_format_than_announced(tmp_path: Path) -> None:
    with pytest.raises(gate.WrongDiskFormat):
        inspect_file(image(tmp_path, kind="raw"), SaidOfDisk("qcow2"), most_bytes=SIZE)


def test_cut_short(tmp_path: Path) -> None:
    path = image(tmp_path)
    path.write_bytes(path.read_bytes()[: 128 * 1024])
    with pytest.raises(gate.DiskCutShort):
        inspect_file(path, SaidOfDisk(), most_bytes=SIZE)
    with pytest.raises(gate.DiskCutShort):
        inspect_head(path.read_bytes()[:100], SaidOfDisk(), most_bytes=SIZE)


@given(st.binary(max_size=600), st.integers(2, 3))
def test_noise_after_the_magic_ends_in_our_errors(noise: bytes, version: int) -> None:
    with pytest.raises(BadDisk):
        inspect_head(b"QFI\xfb" + version.to_bytes(4) + noise, SaidOfDisk(), most_bytes=SIZE)
