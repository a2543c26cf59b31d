"""The conversion of disks in a sandbox: what it reaches, and its limits."""

import json
import os
from pathlib import Path

import pytest

from souche import run
from souche.errors import OutOfSpace, ProgramFailed
from souche.formats.foreign_disks import InspectedDisk
from souche.room import ENDLESS, Room, Usage
from souche.transfer import convert_disk, sandbox
from tests.transfer.disk_files import MIB, SIZE, Bench, vmdk_on_another
from tests.transfer.disk_files import bench as bench
from tests.transfer.disk_files import raw as raw


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
