"""The gate for disks, with files as people have them: what is taken has the bytes, what is refused says why."""

import gzip
import json
import os
import random
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import souche
from souche import run
from souche.errors import OutOfSpace, ProgramFailed, UserError
from souche.formats.disk_names import said_by
from souche.formats.disk_refusals import BadDisk, DiskCutShort, DiskExpands, DiskHasBackingFile, DiskInParts
from souche.formats.foreign_disks import InspectedDisk
from souche.model.disk_imports import SaidOfDisk, SourceFormat
from souche.room import ENDLESS, Room, Usage
from souche.transfer import convert_disk, gate, sandbox
from souche.transfer.gate import AdmittedDisk, take_file
from tests.support.foreign_disks import OVF, archive, make, patched, vhd_of_type

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


def vmdk_on_another(bench: Bench) -> Path:
    base, file = bench.made("vmdk"), bench.folder / "child.vmdk"
    run.run(["qemu-img", "create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", file], timeout_seconds=60)
    return file


def vmdk_in_parts(bench: Bench) -> Path:
    bench.made("vmdk", "subformat=twoGbMaxExtentSparse")
    return next(bench.folder.glob("disk-*.vmdk"))


def empty(file: Path) -> Path:
    file.touch()
    return file


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


def test_a_conversion_opens_no_parent(bench: Bench) -> None:
    """Even one that the inspection has not seen: what the disk itself does not have is zeros."""
    file = vmdk_on_another(bench)
    disk = InspectedDisk("vmdk", SIZE, foreign=True)
    convert_disk.convert(file, disk, ENDLESS, most_data_bytes=SIZE, watch=lambda: None)
    argv: list[str | Path] = ["qemu-img", "map", "-f", "qcow2", "--output=json", file]
    assert [extent["data"] for extent in json.loads(run.run(argv, timeout_seconds=60))] == [False]


def test_a_conversion_stops_at_the_reserve_when_nobody_wants_it_and_at_its_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NobodyWants(Exception):
        pass

    def cancel() -> None:
        raise NobodyWants

    file = bench.made("vmdk")
    disk = InspectedDisk("vmdk", SIZE, foreign=True)
    full = Room(lambda: Usage(0, MIB // 2), 0)
    with pytest.raises(OutOfSpace):
        convert_disk.convert(file, disk, full, most_data_bytes=SIZE, watch=lambda: None)
    monkeypatch.setattr(run, "WATCH_SECONDS", 0.0)
    with pytest.raises(NobodyWants):
        convert_disk.convert(file, disk, ENDLESS, most_data_bytes=SIZE, watch=cancel)
    monkeypatch.setattr(convert_disk, "LEAST_SECONDS", -1e9)
    with pytest.raises(convert_disk.DiskNotConverted, match="seconds"):
        convert_disk.convert(file, disk, ENDLESS, most_data_bytes=SIZE, watch=lambda: None)
    assert [path.name for path in bench.folder.glob("*.qcow2")] == []
    assert file.read_bytes()[:4] == b"KDMV"


LOOK = """
import json, os, socket
seen = {"interfaces": [name for _, name in socket.if_nameindex()], "root": sorted(os.listdir("/")), "uid": os.getuid()}
for name, attempt in {
    "source": lambda: open("/disk", "ab"),
    "system": lambda: open("/usr/made", "wb"),
    "memory": lambda: bytearray(3 << 30),
    "processes": lambda: os.kill(os.getppid() + 1000000, 0),
}.items():
    try:
        attempt()
        seen[name] = "yes"
    except (OSError, MemoryError) as error:
        seen[name] = type(error).__name__
seen["capabilities"] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")][0]
open("/target", "w").write("written")
print(json.dumps(seen))
"""


def test_the_sandbox_has_one_file_to_read_one_to_write_and_no_network(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"a disk")
    target.touch()
    said = sandbox.run_in(
        ["python3", "-I", "-c", LOOK], source, target, most_written_bytes=MIB, timeout_seconds=60
    )
    seen = json.loads(said)
    assert seen["interfaces"] == ["lo"]
    assert set(seen["root"]) <= {
        "bin",
        "dev",
        "disk",
        "etc",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "proc",
        "sbin",
        "target",
        "tmp",
        "usr",
    }
    assert (seen["source"], seen["system"], seen["memory"]) == ("OSError", "OSError", "MemoryError")
    assert int(seen["capabilities"], 16) == 0
    assert (source.read_bytes(), target.read_text()) == (b"a disk", "written")
    with pytest.raises(ProgramFailed):
        sandbox.run_in(
            ["dd", "if=/dev/zero", f"of={sandbox.TARGET}", "bs=1M", "count=2"],
            source,
            target,
            most_written_bytes=MIB,
            timeout_seconds=60,
        )


def _after(line: list[str], option: str) -> list[tuple[str, str]]:
    """The two words after each time that an option stands in a command line."""
    return [(line[at + 1], line[at + 2]) for at, word in enumerate(line) if word == option]


def test_the_command_names_every_format_and_every_bound() -> None:
    line = sandbox.argv(
        convert_disk.convert_command("vhd"),
        Path("/in"),
        Path("/out"),
        most_written_bytes=7,
        timeout_seconds=9,
    )
    assert line[:2] == ["prlimit", f"--as={2 * 1024**3}"]
    assert line[2:4] == [f"--cpu={9 * (os.cpu_count() or 1)}", "--fsize=7"]
    assert {"--core=0", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"} <= set(line)
    assert line[line.index("--cap-drop") + 1] == "ALL"
    assert _after(line, "--bind") == [("/out", "/target")]
    assert ("/in", "/disk") in _after(line, "--ro-bind")
    assert json.loads(line[-2].removeprefix("json:")) == {
        "driver": "vpc",
        "force_size_calc": "current_size",
        "backing": None,
        "file": {"driver": "file", "filename": "/disk"},
    }
    assert line[-1] == "/target"
