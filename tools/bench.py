"""Measures the budgets of the design (section 7) that a machine can measure, as ratios to a baseline in the same run.

For 1 GiB and for 8 GiB of data: CreateImage of a running VM (request to `available`) and a launch (CreateVms to
`running`), each relative to a full `qemu-img convert` copy of the same disk. Guests run real QEMU on real disks. Their
disks contain random bytes and no system, which affects neither figure.
"""

import argparse
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from osc_sdk_python import Gateway

from souche import logs
from souche.app import official_images
from souche.app.official_images import DiskImage
from souche.main.administration import administer
from souche.run import run
from souche.transfer.gate import AdmittedDisk
from tools.harness import create_account, gateway, hypervisor_of, serve, wait_for

LISTEN = "127.0.0.1:8818"
SIZES_GIB = (1, 8)
REPEATS = 5
MIB = 1024**2
GIB = 1024**3
ROW = "{:<34}{:>8}{:>12}{:>12}{:>10}"


def main() -> int:
    """Measure every size, and print a row for each."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("gib", nargs="*", type=int, default=list(SIZES_GIB), help="GiB of data (1 and 8)")
    sizes: list[int] = parser.parse_args().gib
    logs.configure("error")
    print(ROW.format("", "data", "Souche", "full copy", "ratio"))
    # /var/tmp is on a disk, and QEMU's user can enter it.
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="souche-bench-") as folder:
        Path(folder).chmod(0o711)
        with _region(Path(folder) / "region") as client:
            for size_gib in sizes:
                _measure(client, Path(folder), size_gib)
    return 0


@contextmanager
def _region(home: Path) -> Iterator[Gateway]:
    server = serve(home, LISTEN, home.with_suffix(".log"))
    try:
        client = gateway(LISTEN, create_account(home, "bench"))
        yield client
        _delete_vms(client)
    finally:
        server.terminate()
        server.wait()
        driver = hypervisor_of(home)
        driver.remove_network()
        driver.close()


def _measure(client: Gateway, folder: Path, size_gib: int) -> None:
    disk = folder / "disk.raw"
    _write_random(disk, size_gib * GIB)
    copy_seconds = _timed(lambda: _full_copy(disk, folder / "copy.qcow2"))
    image_id = _publish(folder / "region", disk, size_gib)
    launches, vm_ids = [], []
    for _ in range(REPEATS):
        seconds, vm_id = _launch(client, image_id)
        launches.append(seconds)
        vm_ids.append(vm_id)
    images = [_create_image(client, vm_ids[0]) for _ in range(REPEATS)]
    _row("launch: CreateVms -> running", size_gib, statistics.median(launches), copy_seconds)
    _row("CreateImage, running -> available", size_gib, statistics.median(images), copy_seconds)
    _delete_vms(client)


def _row(what: str, size_gib: int, seconds: float, copy_seconds: float) -> None:
    ratio = f"{copy_seconds / seconds:.1f} x"
    print(ROW.format(what, f"{size_gib} GiB", f"{seconds:.3f} s", f"{copy_seconds:.3f} s", ratio), flush=True)


def _write_random(path: Path, size_bytes: int) -> None:
    """Write random bytes in blocks of half a MiB, which neither compress nor repeat."""
    with path.open("wb") as disk:
        for _ in range(size_bytes // MIB):
            disk.write(secrets.token_bytes(MIB))


def _full_copy(disk: Path, copy: Path) -> None:
    argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(disk), str(copy)]
    run(argv, timeout_seconds=3600)
    copy.unlink()


def _publish(home: Path, disk: Path, size_gib: int) -> str:
    with administer(home) as administered:
        staged = disk.rename(administered.staging / f"{secrets.token_hex(4)}.raw")
        image = official_images.publish(
            administered.region,
            DiskImage(
                AdmittedDisk(staged, "raw", size_gib * 1024**3),
                f"bench-{size_gib}",
                "random bytes",
                ("legacy",),
            ),
        )
        administered.finish(official_images.operation_id(image))
        return image.image_id


def _timed(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def _launch(client: Gateway, image_id: str) -> tuple[float, str]:
    began = time.monotonic()
    vm_id = str(client.raw("CreateVms", ImageId=image_id, VmType="tinav5.c1r1p2")["Vms"][0]["VmId"])
    wait_for(lambda: _vm_state(client, vm_id) == "running", "a running VM", 60, 0.01)
    return time.monotonic() - began, vm_id


def _vm_state(client: Gateway, vm_id: str) -> str:
    return str(client.raw("ReadVms", Filters={"VmIds": [vm_id]})["Vms"][0]["State"])


def _create_image(client: Gateway, vm_id: str) -> float:
    began = time.monotonic()
    name = f"bench-{secrets.token_hex(4)}"
    image_id = client.raw("CreateImage", VmId=vm_id, ImageName=name, NoReboot=True)["Image"]["ImageId"]
    wait_for(lambda: _image_state(client, image_id) == "available", "an available image", 60, 0.01)
    return time.monotonic() - began


def _image_state(client: Gateway, image_id: str) -> str:
    return str(client.raw("ReadImages", Filters={"ImageIds": [image_id]})["Images"][0]["State"])


def _delete_vms(client: Gateway) -> None:
    live = [vm["VmId"] for vm in client.raw("ReadVms")["Vms"] if vm["State"] != "terminated"]
    if live:
        client.raw("DeleteVms", VmIds=live)
        wait_for(
            lambda: all(_vm_state(client, vm_id) == "terminated" for vm_id in live), "terminated VMs", 120
        )


if __name__ == "__main__":
    sys.exit(main())
