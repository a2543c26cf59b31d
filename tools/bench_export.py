"""Measures exports and imports, relative to the manual commands and to their own slowest stage, in one run.

For 1 GiB and for 4 GiB of real file data (the files of this machine, one after the other): CreateSnapshotExportTask,
from the request to `completed`, relative to `qemu-img convert -O qcow2`, `gzip -6` and an upload by boto3, and to
reading, compressing and uploading alone, each as the export does it. Then gunzip unpacks the object, and qemu-img
compares it with the disk. Then the object is imported: CreateSnapshot from its URL, relative to `curl | gunzip` and
`qemu-img convert`, and to downloading, unpacking and writing alone. All use the embedded object store. The server's
peak memory is that of its process; CPU times include its programs, SeaweedFS and qemu-nbd.
"""

import argparse
import json
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import boto3
from osc_sdk_python import Gateway

from souche import logs
from souche.app import official_images
from souche.app.official_images import DiskImage
from souche.formats import gzip_members
from souche.home import Home
from souche.main.administration import administer
from souche.main.drivers import embedded_oos
from souche.objects.s3 import S3Access, S3Store, configuration
from souche.run import run
from souche.storage import nbd
from souche.transfer import reader
from souche.transfer.gate import AdmittedDisk
from souche.transfer.multipart import BucketSink
from tools.harness import REGION, SOUCHE, Credentials, create_account, gateway, serve, wait_for

LISTEN: Final = "127.0.0.1:8828"
OOS: Final = "127.0.0.1:8829"
DAY_SECONDS: Final = 86_400
SIZES_GIB: Final = (1, 4)
GIB: Final = 1024**3
MIB: Final = 1024**2
SOURCES: Final = ("/usr", "/lib", "/opt", "/var/lib", "/home")
BUCKET: Final = "bench"
POLL_SECONDS: Final = 0.2
"""A signed request takes about 10 ms of CPU on each side."""
ROW: Final = "{:<44}{:>8}{:>12}{:>12}{:>10}"


def main() -> int:
    """Measure every size, and print a row for each."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench_export", description=__doc__)
    parser.add_argument("gib", nargs="*", type=int, default=list(SIZES_GIB), help="GiB of data (1 and 4)")
    sizes: list[int] = parser.parse_args().gib
    logs.configure("error")
    print(ROW.format("", "data", "seconds", "MiB/s", "ratio"))
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="souche-bench-") as folder:
        Path(folder).chmod(0o711)
        home = Path(folder) / "region"
        options = ("--compute", "simulated", "--oos-listen", OOS)
        server = serve(home, LISTEN, home.with_suffix(".log"), *options)
        try:
            who = create_account(home, "bench")
            run(
                [SOUCHE, "bucket", "create", BUCKET, "--account", "bench", "--home", home],
                timeout_seconds=60,
            )
            for size_gib in sizes:
                _measure(home, who, Path(folder), size_gib)
            print(ROW.format("peak memory of the server", "", "", "", f"{_peak_mib(home)} MiB"))
        finally:
            server.terminate()
            server.wait()
    return 0


def _measure(home: Path, who: Credentials, folder: Path, size_gib: int) -> None:
    disk = folder / "disk.raw"
    _write_files(disk, size_gib * GIB)
    stages = {
        "reading alone": _timed(lambda: _read(disk)),
        "compressing alone": _timed(lambda: _compress(disk)),
        "uploading what was compressed, alone": _upload_alone(disk, home),
    }
    by_hand = _timed(lambda: _by_hand(disk, folder, who))
    client = gateway(LISTEN, who)
    snapshot_id = _own_snapshot(client, _publish(home, disk, size_gib))
    before = _cpu_seconds(home)
    export = _timed(lambda: _export(client, snapshot_id))
    cpu = _cpu_seconds(home) - before
    for name, seconds in stages.items():
        _row(name, size_gib, seconds, "")
    slowest = max(stages.values())
    _row("qemu-img convert, gzip -6, upload", size_gib, by_hand, "")
    _row("export, against these", size_gib, export, f"{by_hand / export:.1f} x")
    _row("export, against its slowest stage", size_gib, export, f"{slowest / export:.2f}")
    busy = cpu / export / (os.cpu_count() or 1)
    _row("its CPU time, as a share of all cores'", size_gib, cpu, f"{busy:.2f}")
    print(ROW.format("peak memory of the server so far", "", "", "", f"{_peak_mib(home)} MiB"))
    _measure_import(home, client, who, folder, _source(home, snapshot_id), size_gib)


def _measure_import(
    home: Path, client: Gateway, who: Credentials, folder: Path, source: Path, size_gib: int
) -> None:
    """Import the exported object, and compare its content with the exported disk."""
    store = S3Store(S3Access(f"http://{OOS}", who.access_key_id, who.secret_key))
    (key,) = [key for key in store.keys(BUCKET, "bench/") if key.endswith(".gz")]
    url = store.presign(BUCKET, key, DAY_SECONDS)
    packed, plain, again = folder / "back.qcow2.gz", folder / "back.qcow2", folder / "again.qcow2"
    stages = {
        "downloading alone": _timed(lambda: _pipe(["curl", "-sSf", "-o", packed, url])),
        "unpacking alone": _timed(lambda: _unpack(packed)),
        "writing (qemu-img convert) alone": 0.0,
    }
    by_hand = _timed(lambda: _by_hand_back(url, plain, again))
    run(["qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", plain, source], timeout_seconds=7200)
    again.unlink()
    stages["writing (qemu-img convert) alone"] = _timed(lambda: _convert(plain, again))
    before = _cpu_seconds(home)
    seconds = _timed(lambda: _import(client, url, size_gib))
    cpu = _cpu_seconds(home) - before
    for name, alone in stages.items():
        _row(name, size_gib, alone, "")
    _row("curl | gunzip, qemu-img convert", size_gib, by_hand, "")
    _row("import, against these", size_gib, seconds, f"{by_hand / seconds:.2f} x")
    _row("import, against its slowest stage", size_gib, seconds, f"{max(stages.values()) / seconds:.2f}")
    _row("its CPU time, on all cores", size_gib, cpu, "")
    store.delete(BUCKET, key)
    for file in (packed, plain, again):
        file.unlink()


def _row(what: str, size_gib: int, seconds: float, ratio: str) -> None:
    speed = size_gib * 1024 / seconds
    print(ROW.format(what, f"{size_gib} GiB", f"{seconds:.2f}", f"{speed:.0f}", ratio), flush=True)


def _timed(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def _write_files(disk: Path, size_bytes: int) -> None:
    """Copy files of this machine until the disk is full, repeatedly if they are too few."""
    with disk.open("wb") as output:
        while True:
            for path in _files():
                data = path.read_bytes()[: size_bytes - output.tell()]
                output.write(data)
                if output.tell() == size_bytes:
                    return


def _files() -> Iterator[Path]:
    for source in SOURCES:
        for folder, _, names in os.walk(source):
            for name in sorted(names):
                path = Path(folder) / name
                if path.is_file() and not path.is_symlink() and 0 < path.stat().st_size < 512 * MIB:
                    yield path


@contextmanager
def _served(disk: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, nbd.serve(disk, "raw", Path(folder)) as uri:
        yield uri


def _read(disk: Path) -> None:
    with _served(disk) as uri, reader.connect(uri) as connection:
        for _ in connection.chunks(connection.allocation()):
            pass


def _compress(disk: Path) -> None:
    for _ in gzip_members.compress(_pieces(disk)):
        pass


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(MIB):
            yield piece


def _upload_alone(disk: Path, home: Path) -> float:
    """The time to upload the compressed disk, in parts and like an export."""
    with tempfile.NamedTemporaryFile(dir=disk.parent) as packed:
        for member in gzip_members.compress(_pieces(disk)):
            packed.write(member)
        packed.flush()
        store = embedded_oos(Home(home)).store()
        size = Path(packed.name).stat().st_size
        sink = BucketSink(store, BUCKET, "alone")
        seconds = _timed(
            lambda: sink.write(_pieces(Path(packed.name)), most_bytes=size, padding=gzip_members.padding)
        )
        sink.remove()
        return seconds


def _by_hand(disk: Path, folder: Path, who: Credentials) -> None:
    qcow2 = folder / "by-hand.qcow2"
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, qcow2], timeout_seconds=7200)
    run(["gzip", "-6", "--force", qcow2], timeout_seconds=7200)
    packed = qcow2.with_name("by-hand.qcow2.gz")
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{OOS}",
        aws_access_key_id=who.access_key_id,
        aws_secret_access_key=who.secret_key,
        region_name="us-east-1",
        config=configuration(),
    )
    client.upload_file(str(packed), BUCKET, "by-hand")
    client.delete_object(Bucket=BUCKET, Key="by-hand")
    packed.unlink()


def _publish(home: Path, disk: Path, size_gib: int) -> str:
    """A public image with the disk's bytes."""
    with administer(home) as administered:
        staged = disk.rename(administered.staging / f"{secrets.token_hex(4)}.raw")
        image = official_images.publish(
            administered.region,
            DiskImage(
                AdmittedDisk(staged, "raw", size_gib * 1024**3), f"bench-{size_gib}", "files", ("legacy",)
            ),
        )
        administered.finish(official_images.operation_id(image))
        return image.image_id


def _own_snapshot(client: Gateway, image_id: str) -> str:
    """The snapshot of a copy of the image."""
    copy = client.raw("CreateImage", SourceImageId=image_id, SourceRegionName=REGION)["Image"]
    return str(copy["BlockDeviceMappings"][0]["Bsu"]["SnapshotId"])


def _export(client: Gateway, snapshot_id: str) -> None:
    export = {"DiskImageFormat": "qcow2", "OsuBucket": BUCKET, "OsuPrefix": "bench/"}
    task = client.raw("CreateSnapshotExportTask", SnapshotId=snapshot_id, OsuExport=export)[
        "SnapshotExportTask"
    ]
    wait_for(
        lambda: _state(client, task["TaskId"]) in ("completed", "failed"), "the export", 7200, POLL_SECONDS
    )
    assert _state(client, task["TaskId"]) == "completed"


def _source(home: Path, snapshot_id: str) -> Path:
    """The file of a snapshot, which is immutable."""
    return (home / "disks" / "snapshots" / snapshot_id).resolve()


def _pipe(*commands: Sequence[str | Path]) -> None:
    """Programs in a pipeline."""
    running: list[subprocess.Popen[bytes]] = []
    for command in commands:
        stdin = running[-1].stdout if running else subprocess.DEVNULL
        stdout = subprocess.PIPE if command is not commands[-1] else None
        running.append(subprocess.Popen(command, stdin=stdin, stdout=stdout))
    assert [program.wait() for program in running] == [0] * len(running)


def _unpack(packed: Path) -> None:
    for _ in gzip_members.decompress(_pieces(packed), most_bytes=1 << 50):
        pass


def _convert(plain: Path, output: Path) -> None:
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", plain, output], timeout_seconds=7200)


def _by_hand_back(url: str, plain: Path, output: Path) -> None:
    fetch = shlex.join(["curl", "-sSf", url])
    _pipe(["bash", "-o", "pipefail", "-c", f"{fetch} | gunzip >{shlex.quote(str(plain))}"])
    _convert(plain, output)


def _import(client: Gateway, url: str, size_gib: int) -> None:
    made = client.raw("CreateSnapshot", FileLocation=url, SnapshotSize=size_gib * GIB)["Snapshot"]
    wait_for(
        lambda: _snapshot_state(client, made["SnapshotId"]) in ("completed", "error"),
        "it",
        7200,
        POLL_SECONDS,
    )
    assert _snapshot_state(client, made["SnapshotId"]) == "completed"


def _snapshot_state(client: Gateway, snapshot_id: str) -> str:
    found = client.raw("ReadSnapshots", Filters={"SnapshotIds": [snapshot_id]})["Snapshots"]
    return str(found[0]["State"])


def _state(client: Gateway, task_id: str) -> str:
    found = client.raw("ReadSnapshotExportTasks", Filters={"TaskIds": [task_id]})["SnapshotExportTasks"]
    return str(found[0]["State"])


def _cpu_seconds(home: Path) -> float:
    """The CPU time of the server and its programs, including those that have ended (proc(5), `stat`)."""
    process_id = json.loads((home / "serving.json").read_text())["ProcessId"]
    tasks = Path(f"/proc/{process_id}/task").glob("*/children")
    children = [child for task in tasks for child in task.read_text().split()]
    ticks = 0
    for each in (process_id, *map(int, children)):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _peak_mib(home: Path) -> int:
    process_id = json.loads((home / "serving.json").read_text())["ProcessId"]
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


if __name__ == "__main__":
    sys.exit(main())
