"""The gate for disks, with files as people have them: what is taken has the bytes, what is refused says why."""

import gzip
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

import souche
from souche import run
from souche.errors import UserError
from souche.formats.disk_names import said_by
from souche.formats.disk_refusals import BadDisk, DiskCutShort, DiskExpands, DiskHasBackingFile, DiskInParts
from souche.model.disk_imports import SourceFormat
from souche.transfer import convert_disk, gate, sandbox
from souche.transfer.gate import AdmittedDisk
from tests.support.foreign_disks import OVF, archive, make, patched, vhd_of_type
from tests.transfer.disk_files import MIB, SIZE, Bench, empty, vmdk_on_another
from tests.transfer.disk_files import bench as bench
from tests.transfer.disk_files import raw as raw


def test_nothing_else_makes_an_admitted_disk() -> None:
    """Volume stores take nothing else, so every disk from outside has passed here."""
    source = Path(souche.__file__).parent
    made = [path for path in source.rglob("*.py") if "AdmittedDisk(" in path.read_text()]
    assert [str(path.relative_to(source)) for path in made] == ["transfer/gate.py"]


TAKEN: dict[str, tuple[str, str]] = {
    "VMDK, sparse": ("vmdk", ""),
    "VMDK, as OVAs have it": ("vmdk", "subformat=streamOptimized"),
    "VHD, dynamic": ("vhd", "force_size=on"),
    "VHD, fixed, of exactly its size": ("vhd", "subformat=fixed,force_size=on"),
    "VHDX": ("vhdx", ""),
    "VHDX, fixed": ("vhdx", "subformat=fixed"),
    "qcow2 with extended L2 entries": ("qcow2", "extended_l2=on"),
    "qcow2": ("qcow2", ""),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken_has_the_bytes(bench: Bench, name: str) -> None:
    file = bench.made(*TAKEN[name])
    before = file.read_bytes()
    admitted = bench.take(file)
    assert (admitted.size_bytes, same(admitted, bench.raw)) == (SIZE, True)
    assert [path.name for path in admitted.path.parent.iterdir()] == ["disk"]
    assert file.read_bytes() == before


def same(admitted: AdmittedDisk, raw: Path) -> bool:
    argv: list[str | Path] = ["qemu-img", "compare", "-f", admitted.format, "-F", "raw", admitted.path, raw]
    return b"identical" in run.run(argv, timeout_seconds=60)


def test_a_disk_that_needs_no_conversion_needs_no_sandbox(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: bench.made(*TAKEN[name]) for name in ("VHD, fixed, of exactly its size", "qcow2", "VHDX")}
    monkeypatch.setattr(sandbox, "PROGRAM", "no-such-program")
    assert bench.take(bench.raw).format == "raw"
    assert bench.take(files["VHD, fixed, of exactly its size"]).format == "raw"
    assert bench.take(files["qcow2"]).format == "qcow2"
    with pytest.raises(convert_disk.CannotConvert, match=r"lacks a sandbox.*qemu-img convert -f vhdx"):
        bench.take(files["VHDX"])


@pytest.mark.parametrize("name", [name for name in TAKEN if "extended" not in name])
@pytest.mark.parametrize("cut", ["a byte", "a quarter"])
def test_a_disk_that_is_cut_is_refused_or_whole(bench: Bench, name: str, cut: str) -> None:
    """What follows the data in some formats is padding: a disk without it is the same."""
    file = bench.made(*TAKEN[name])
    data = file.read_bytes()
    file.write_bytes(data[:-1] if cut == "a byte" else data[: -len(data) // 4])
    try:
        admitted = bench.take(file)
    except BadDisk:
        return
    assert same(admitted, bench.raw)


def test_a_qcow2_disk_whose_last_cluster_is_cut_is_refused(bench: Bench, tmp_path: Path) -> None:
    """qemu-img finds nothing wrong with it, and reads zeros."""
    (tmp_path / "noise.raw").write_bytes(os.urandom(MIB))
    file = make(tmp_path / "noise.raw", tmp_path / "noise.qcow2", "qcow2")
    file.write_bytes(file.read_bytes().rstrip(b"\0")[:-4096])
    with pytest.raises(DiskCutShort):
        bench.take(file)


def vmdk_with(bench: Bench, old: bytes, new: bytes) -> Path:
    """A VMDK in whose descriptor something else stands."""
    file = bench.made("vmdk")
    data = file.read_bytes()
    assert old in data
    data = data.replace(old, new.ljust(len(old)), 1)
    more = bytes(max(0, len(new) - len(old)))  # what is behind the descriptor stays where it is
    end = data.index(more, data.index(new))
    file.write_bytes(data[:end] + data[end + len(more) :])
    return file


def vmdk_with_two_descriptors(bench: Bench) -> Path:
    """One at its end, where the header points to, and one where QEMU looks for a parent whatever the header says."""
    file = bench.made("vmdk")
    data = file.read_bytes()
    descriptor = data[512 : 21 * 512]
    hint = b'parentFileNameHint="/etc/passwd"\n'
    vmdk_with(bench, b"#DDB", hint)
    file.write_bytes(file.read_bytes() + descriptor)
    return patched(file, 28, "<Q", len(data) // 512)


def vmdk_in_parts(bench: Bench) -> Path:
    bench.made("vmdk", "subformat=twoGbMaxExtentSparse")
    return next(bench.folder.glob("disk-*.vmdk"))


def vhdx_with_a_parent(bench: Bench) -> Path:
    file = bench.made("vhdx")
    place = file.read_bytes().index(bytes.fromhex("3767a1ca36fa434db3b633f0aa44e76b"))
    (offset,) = (int.from_bytes(file.read_bytes()[place + 16 : place + 20], "little"),)
    table = file.read_bytes().index(b"metadata")
    return patched(file, table + offset + 4, "<I", 2)


def vhdx_in_use(bench: Bench) -> Path:
    file = bench.made("vhdx")
    for header in (64 * 1024, 128 * 1024):
        patched(file, header + 48, "<Q", 1)
    return file


REFUSED: dict[str, tuple[Callable[[Bench], Path], type[UserError], str]] = {
    "a VMDK with a parent": (vmdk_on_another, DiskInParts, "it has a parent"),
    "a VMDK with a parent that stands where QEMU alone looks for it": (
        lambda bench: vmdk_with(bench, b"#DDB", b'ddb.x = "parentFileNameHint="/etc/passwd""'),
        DiskInParts,
        "it has a parent",
    ),
    "a VMDK with two parents, of which QEMU takes the first": (
        lambda bench: vmdk_with(bench, b"parentCID=ffffffff", b"parentCID=12345678\nparentCID=ffffffff"),
        DiskInParts,
        "it has a parent",
    ),
    "a VMDK with a parent in a text that its header does not point to": (
        vmdk_with_two_descriptors,
        DiskInParts,
        "it has a parent",
    ),
    "a VMDK with a parent behind the end that its header tells": (
        lambda bench: patched(
            vmdk_with(bench, b"#DDB", b"#" * 600 + b'\nparentFileNameHint="/etc/passwd"'), 36, "<Q", 1
        ),
        DiskInParts,
        "it has a parent",
    ),
    "a VMDK whose data are in another file": (
        lambda bench: vmdk_with(bench, b'SPARSE "disk.vmdk"', b'FLAT "/etc/passwd"'),
        DiskInParts,
        "in other files",
    ),
    "a VMDK of a type that has other files": (
        lambda bench: vmdk_with(bench, b"monolithicSparse", b"vmfsSparse"),
        DiskInParts,
        "its type is 'vmfssparse",
    ),
    "a VMDK without a size, which is read by its descriptor": (
        lambda bench: patched(bench.made("vmdk"), 12, "<Q", 0),
        DiskInParts,
        "one part of a disk",
    ),
    "the description of a VMDK": (
        lambda bench: bench.made("vmdk", "subformat=monolithicFlat"),
        BadDisk,
        "part of a disk in several files",
    ),
    "a part of a VMDK": (vmdk_in_parts, BadDisk, "part of a disk in several files"),
    "a VMDK with tables beyond its end": (
        lambda bench: patched(bench.made("vmdk"), 56, "<Q", 1 << 40),
        DiskInParts,
        "cut short",
    ),
    "a VHD with a parent": (lambda bench: vhd_of_type(bench.made("vhd"), 4), DiskHasBackingFile, "backing"),
    "a VHD whose header is gone": (
        lambda bench: patched(bench.made("vhd"), 512, "<Q", 0),
        BadDisk,
        "second header is missing",
    ),
    "a VHDX with a parent": (vhdx_with_a_parent, DiskHasBackingFile, "backing"),
    "a VHDX that was in use": (vhdx_in_use, BadDisk, "qemu-img check -r all"),
    "a VHDX whose regions are gone": (
        lambda bench: patched(bench.made("vhdx"), 192 * 1024, "<Q", 0),
        DiskInParts,
        "tables is missing",
    ),
    "an OVA with two disks": (
        lambda bench: archive(bench.folder / "a.ova", {"a.ovf": OVF, "1.vmdk": b"1", "2.vmdk": b"2"}),
        UserError,
        "more than one disk",
    ),
    "an OVA without a disk": (
        lambda bench: archive(bench.folder / "a.ova", {"a.ovf": OVF}),
        UserError,
        "it has no disk",
    ),
    "an OVA that is damaged": (
        lambda bench: patched(archive(bench.folder / "a.ova", {"a.ovf": OVF}), 0, "<I", 0x11111111),
        UserError,
        "damaged, or not a tar archive",
    ),
    "a disk that is called an OVA": (
        lambda bench: make(bench.raw, bench.folder / "a.ova", "vmdk"),
        BadDisk,
        "format vmdk",
    ),
    "an OVA without bytes": (
        lambda bench: empty(bench.folder / "a.ova"),
        BadDisk,
        "is empty",
    ),
    "a VMDK that is called raw inside": (
        lambda bench: archive(bench.folder / "a.ova", {"a.qcow2": bench.made("vmdk").read_bytes()}),
        BadDisk,
        "format vmdk",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_stand_alone_is_refused(bench: Bench, name: str) -> None:
    make_file, refusal, said = REFUSED[name]
    with pytest.raises(refusal, match=said):
        bench.take(make_file(bench))


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_disk_in_an_ova_is_taken(bench: Bench, tar_format: int) -> None:
    disk = bench.made("vmdk", "subformat=streamOptimized").read_bytes()
    members = {"machine.ovf": OVF, "machine.mf": b"SHA1", f"{'long' * 30}-disk1.vmdk": disk, "x.nvram": b"x"}
    if tar_format == tarfile.USTAR_FORMAT:
        members = {"machine.ovf": OVF, "disk1.vmdk": disk}
    file = archive(bench.folder / "machine.ova", members, tar_format)
    assert same(bench.take(file), bench.raw)
    file.write_bytes(file.read_bytes()[: len(disk) // 2])
    with pytest.raises(UserError, match="cut short"):
        bench.take(file)


@pytest.mark.parametrize("name", ["disk.raw.gz", "disk.vhd.gz", "disk.qcow2.gz", "disk.gz", "disk"])
def test_gzip_around_a_disk_is_taken_off_once(bench: Bench, name: str) -> None:
    formats: dict[str, tuple[SourceFormat, str]] = {
        "disk.vhd.gz": ("vhd", "subformat=fixed,force_size=on"),
        "disk.qcow2.gz": ("qcow2", ""),
    }
    disk_format, options = formats.get(name, ("raw", ""))
    file = bench.folder / name
    file.write_bytes(gzip.compress(bench.made(disk_format, options).read_bytes(), 1))
    assert same(bench.take(file), bench.raw)
    if said_by(name).format != "raw":
        file.write_bytes(gzip.compress(file.read_bytes(), 1))
        with pytest.raises(BadDisk):
            bench.take(file)


def test_a_small_file_with_a_large_disk_in_it_is_refused(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "LEAST_EXPANDED_BYTES", MIB)
    monkeypatch.setattr(gate, "MOST_EXPANSION", 2)
    (tmp_path / "pattern.raw").write_bytes(b"A" * 4 * MIB)
    file = make(tmp_path / "pattern.raw", tmp_path / "pattern.vmdk", "vmdk", "subformat=streamOptimized")
    assert file.stat().st_size < MIB
    with pytest.raises(DiskExpands):
        bench.take(file)
