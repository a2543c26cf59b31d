"""Measures the pause of a running guest during captures of three of its disks, inside the guest.

The guest reads its disk continuously, and prints every wait of a millisecond or more (`pause_sector`). It has no agent,
so no file system is frozen. The same is measured for as long without a capture, which shows the machine's own delays.
"""

import argparse
import statistics
import sys
import tempfile
import time
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from souche import logs
from souche.compute.base import Guest
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.main import networks
from souche.model.disks import FileSource, GuestDisk
from souche.run import run
from tools.harness import wait_for
from tools.pause_sector import PAUSE_SECTOR, gaps_seconds

VM_ID: Final = "i-00000001"
DEVICES: Final = {"vol-00000001": "/dev/sda1", "vol-00000002": "/dev/xvdb", "vol-00000003": "/dev/xvdc"}
CAPTURES: Final = 20
WATCHED_SECONDS: Final = 0.3
MIB: Final = 1024**2
ROW: Final = "{:<52}{:>12}{:>12}{:>12}"


def main() -> int:
    """Capture this many times, and print a row with the guest's longest wait of each."""
    argparse.ArgumentParser(prog="python -m tools.bench_pause", description=__doc__).parse_args()
    logs.configure("error")
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="souche-bench-") as folder:
        Path(folder).chmod(0o711)  # QEMU's user must enter it
        home = Path(folder) / "region"
        hypervisor = LibvirtHypervisor(home, networks.GUESTS.of(home))
        try:
            _measure(hypervisor, Path(folder))
        finally:
            hypervisor.remove(VM_ID)
            hypervisor.remove_network()
            hypervisor.close()
    return 0


def _measure(hypervisor: LibvirtHypervisor, folder: Path) -> None:
    disks = {volume_id: _disk(folder, volume_id) for volume_id in DEVICES}
    hypervisor.define(_guest(hypervisor, disks))
    hypervisor.start(VM_ID)
    wait_for(lambda: len(_gaps(hypervisor)) > 3, "the guest's first words", 60)
    told, seen, without = [], [], []
    for number in range(CAPTURES):
        overlays = {volume_id: _overlay(disk, number) for volume_id, disk in disks.items()}
        without.append(_longest_wait(hypervisor, len(_gaps(hypervisor))))
        before = len(_gaps(hypervisor))
        told.append(hypervisor.switch_disks(VM_ID, overlays).seconds)
        seen.append(_longest_wait(hypervisor, before))
        disks = overlays
    print(ROW.format("a running guest of 3 disks, milliseconds", "best", "median", "worst"))
    _row("its longest wait around a capture, as it sees it", seen)
    _row("its longest wait in as long without one", without)
    _row("the same capture as it is told: all of libvirt's work", told)


def _row(what: str, seconds: list[float]) -> None:
    figures = (min(seconds), statistics.median(seconds), max(seconds))
    print(ROW.format(what, *(f"{1000 * figure:.1f}" for figure in figures)))


def _longest_wait(hypervisor: LibvirtHypervisor, before: int) -> float:
    """The longest wait after the first `before`; 0 for waits below a millisecond, which the guest does not print."""
    time.sleep(WATCHED_SECONDS)
    return max(_gaps(hypervisor)[before:], default=0.0)


def _gaps(hypervisor: LibvirtHypervisor) -> list[float]:
    return gaps_seconds(hypervisor.console(VM_ID))


def _guest(hypervisor: LibvirtHypervisor, disks: dict[str, FileSource]) -> Guest:
    return Guest(
        vm_id=VM_ID,
        vcpus=1,
        memory_mib=64,
        architecture="x86_64",
        boot_mode="legacy",
        disks=tuple(GuestDisk(volume_id, DEVICES[volume_id], disk) for volume_id, disk in disks.items()),
        mac_address="AA:00:00:00:00:01",
        private_ip=str(IPv4Network(hypervisor.network.cidr)[9]),
        hostname="paused",
    )


def _disk(folder: Path, volume_id: str) -> FileSource:
    raw, disk = folder / "raw", folder / f"{volume_id}.qcow2"
    raw.write_bytes(PAUSE_SECTOR.ljust(64 * MIB, b"\0"))
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, disk], timeout_seconds=60)
    return FileSource(disk, "qcow2")


def _overlay(disk: FileSource, number: int) -> FileSource:
    path = disk.path.with_name(f"{disk.path.name.partition('.')[0]}.{number}.qcow2")
    backing = ["-b", disk.path.name, "-F", "qcow2"]
    run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, path], timeout_seconds=60)
    return FileSource(path, "qcow2")


if __name__ == "__main__":
    sys.exit(main())
