"""All disks of an OMI are of one instant, as its guest sees it (design 3.2): a guest writes one counter to three disks
in turn, in a loop, while images are made of it."""

import shlex
from typing import Any, Final

import pytest
from tools import harness
from tools.harness import wait_for

from souche import run
from tests.guests.conftest import DEVICES, Served

pytestmark = pytest.mark.guest

IMAGES: Final = 20
COUNTER: Final = """
import mmap, os, sys
disks = [os.open(path, os.O_WRONLY | os.O_DIRECT) for path in sys.argv[1:]]
block = mmap.mmap(-1, 4096)
count = 0
while True:
    count += 1
    block[:8] = count.to_bytes(8, "big")
    for disk in disks:
        os.pwrite(disk, block, 0)
"""


def test_no_image_of_a_busy_guest_shows_counters_further_apart_than_one_write(
    served: Served, with_disks: dict[str, Any]
) -> None:
    try:
        _start_counting(served, with_disks)
        shown = [_counters(served, _image(served, with_disks, number)) for number in range(IMAGES)]
        served.ssh(with_disks, "systemctl is-active counting")
    finally:
        served.ssh(with_disks, "sudo systemctl stop counting")
    assert 0 < shown[0][0] < shown[-1][0], "the guest did not count"
    assert len({counters[0] for counters in shown}) == IMAGES
    torn = [
        (first, second, third) for first, second, third in shown if not first >= second >= third >= first - 1
    ]
    assert torn == []


def _start_counting(served: Served, vm: dict[str, Any]) -> None:
    """Start the guest's counter and wait for its first write to the last disk: an interpreter starts slowly here."""
    paths = [harness.guest_disk(device) for device in DEVICES]
    counter = f"/usr/bin/python3 -c {shlex.quote(COUNTER)} {' '.join(paths)}"
    served.ssh(vm, f"sudo systemd-run --unit counting {counter}")
    read = f"sudo dd if={paths[-1]} iflag=direct bs=4096 count=1 status=none | od -An -N8 -tu1"
    wait_for(lambda: any(int(byte) for byte in served.ssh(vm, read).split()), "a guest that counts", 120)


def _image(served: Served, vm: dict[str, Any], number: int) -> dict[str, Any]:
    made = served.client.raw("CreateImage", VmId=vm["VmId"], ImageName=f"counted-{number}", NoReboot=True)
    return served.wait_image(made["Image"]["ImageId"])


def _counters(served: Served, image: dict[str, Any]) -> tuple[int, int, int]:
    """What the guest had counted to, on each disk; the image and its snapshots are deleted."""
    snapshots = {each["DeviceName"]: each["Bsu"]["SnapshotId"] for each in image["BlockDeviceMappings"]}
    first, second, third = (_counter(served, snapshots[device]) for device in DEVICES)
    served.client.raw("DeleteImage", ImageId=image["ImageId"])
    for snapshot_id in snapshots.values():
        served.client.raw("DeleteSnapshot", SnapshotId=snapshot_id)
    return first, second, third


def _counter(served: Served, snapshot_id: str) -> int:
    layer = (served.home / "disks" / "snapshots" / snapshot_id).resolve(strict=True)
    block = served.home.with_name("block")
    argv = ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=4096", "count=1", f"if={layer}", f"of={block}"]
    run.run(argv, timeout_seconds=60)
    return int.from_bytes(block.read_bytes()[:8], "big")
