"""Measures many concurrent launches relative to one launch alone, in one run.

Simulated guests on real disks: 20 launches one after the other (the baseline), 200 VMs in one call, 100 launches of one
account alone, and as many while another account launches 1,000 VMs in one call. A row's ratio is the time of a VM
relative to the baseline. CPU seconds are those of the server and of its programs (qemu-img).

Then, on the real hypervisor, the change of the firewalls of 60 defined guests by one rule, relative to that of one
guest's.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from osc_sdk_python import Gateway

from souche import logs
from souche.app import official_images
from souche.app.official_images import DiskImage
from souche.main.administration import administer
from souche.transfer.gate import AdmittedDisk
from tools.harness import create_account, gateway, hypervisor_of, serve, wait_for

LISTEN: Final = "127.0.0.1:8838"
NETWORK: Final = "10.77.0.0/20"
ALONE: Final = 20
AT_ONCE: Final = 200
MANY: Final = 1000
OTHERS: Final = 100
DEFINED: Final = 60
CHANGES: Final = 10
TINY: Final = "tinav5.c1r1p2"
MIB: Final = 1024**2
ROW: Final = "{:<58}{:>10}{:>10}{:>12}{:>10}"


@dataclass(frozen=True)
class Server:
    """A served region and its home."""

    home: Path
    process_id: int

    def cpu_seconds(self) -> float:
        """CPU time of the server and of its ended children."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return sum(int(each) for each in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure, and print a row for each figure."""
    argparse.ArgumentParser(prog="python -m tools.bench_launch", description=__doc__).parse_args()
    logs.configure("error")
    print(ROW.format("", "VMs", "seconds", "ms per VM", "ratio"))
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="souche-bench-") as folder:
        Path(folder).chmod(0o711)
        with _region(
            Path(folder) / "simulated", "--compute", "simulated", "--guest-network", NETWORK
        ) as server:
            _measure_launches(server)
        with _region(Path(folder) / "real") as server:
            _measure_rules(server)
    return 0


@contextmanager
def _region(home: Path, *options: str) -> Iterator[Server]:
    process = serve(home, LISTEN, home.with_suffix(".log"), "--oos-listen", "", *options)
    try:
        yield Server(home, process.pid)
    finally:
        process.kill()
        process.wait()
        if "simulated" not in options:
            driver = hypervisor_of(home)
            for vm_id in driver.power_states():
                driver.remove(vm_id)
            driver.remove_network()
            driver.close()


def _measure_launches(server: Server) -> None:
    image_id = _publish(server.home)
    alice, bob = _client(server, "alice"), _client(server, "bob")
    began = time.monotonic()
    alone = [_launch(alice, image_id, 1) for _ in range(ALONE)]
    baseline = statistics.median(alone)
    cpu = _Cpu(server)
    _row("launches one after the other", ALONE, time.monotonic() - began, baseline)
    _row("of one call", AT_ONCE, _launch(alice, image_id, AT_ONCE), baseline)
    cpu.row("CPU of these", AT_ONCE)
    undisturbed = _launches(bob, image_id, OTHERS)
    _row("another account's launches, alone", OTHERS, undisturbed, baseline)
    _delete_vms(bob)
    _delete_vms(alice)
    cpu = _Cpu(server)
    seconds: list[float] = []
    many = threading.Thread(target=lambda: seconds.append(_launch(alice, image_id, MANY)))
    many.start()
    disturbed = _launches(bob, image_id, OTHERS)
    _row("the same, beside the many of the next but one line", OTHERS, disturbed, baseline)
    print(ROW.format("  against alone", "", "", "", f"{disturbed / undisturbed:.2f}"), flush=True)
    many.join()
    _row("of one call", MANY, seconds[0], baseline)
    cpu.row("CPU of these and the other account's", MANY + OTHERS)


class _Cpu:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._before = server.cpu_seconds()

    def row(self, what: str, count: int) -> None:
        seconds = self._server.cpu_seconds() - self._before
        print(
            ROW.format(f"  {what}", count, f"{seconds:.1f}", f"{1000 * seconds / count:.0f}", ""), flush=True
        )


def _row(what: str, count: int, seconds: float, baseline: float) -> None:
    each = seconds / count
    figures = (f"{seconds:.2f}", f"{1000 * each:.1f}", f"{each / baseline:.2f}")
    print(ROW.format(what, count, *figures), flush=True)


def _measure_rules(server: Server) -> None:
    image_id = _publish(server.home)
    client = _client(server, "alice")
    for count in (1, DEFINED):
        group_id = client.raw("CreateSecurityGroup", SecurityGroupName=f"g{count}", Description="g")[
            "SecurityGroup"
        ]["SecurityGroupId"]
        _launch(client, image_id, count, BootOnCreation=False, SecurityGroupIds=[group_id])
        median = statistics.median(_let_in(client, group_id, port) for port in range(1, CHANGES + 1))
        print(ROW.format("one rule more, until it counts, of guests defined", count, f"{median:.3f}", "", ""))


def _let_in(client: Gateway, group_id: str, port: int) -> float:
    """The time until one more rule is in force, which the answer waits for."""
    rule = {"IpProtocol": "tcp", "FromPortRange": port, "ToPortRange": port, "IpRange": "10.0.0.0/8"}
    began = time.monotonic()
    client.raw("CreateSecurityGroupRule", Flow="Inbound", SecurityGroupId=group_id, **rule)
    return time.monotonic() - began


def _client(server: Server, name: str) -> Gateway:
    return gateway(LISTEN, create_account(server.home, name))


def _publish(home: Path) -> str:
    with administer(home) as administered:
        staged = administered.staging / "tiny.raw"
        staged.write_bytes(b"tiny".ljust(MIB, b"\0"))
        disk = DiskImage(AdmittedDisk(staged, "raw", 1 * 1024**3), "tiny", "no system", ("legacy",))
        image = official_images.publish(administered.region, disk)
        administered.finish(official_images.operation_id(image))
        return image.image_id


def _launches(client: Gateway, image_id: str, count: int) -> float:
    """The time of this many calls of one VM each, one after the other, until all VMs run."""
    return _timed(lambda: [_launch(client, image_id, 1) for _ in range(count)])


def _launch(client: Gateway, image_id: str, count: int, **settings: object) -> float:
    """The time from the call until all its VMs are in a stable state."""
    began = time.monotonic()
    made = client.raw(
        "CreateVms", ImageId=image_id, VmType=TINY, MinVmsCount=count, MaxVmsCount=count, **settings
    )["Vms"]
    reservation_id = made[0]["ReservationId"]
    pause = 0.01 if count == 1 else 0.2
    wait_for(lambda: _settled(client, reservation_id), "VMs at rest", 1200, pause)
    return time.monotonic() - began


def _settled(client: Gateway, reservation_id: str) -> bool:
    filters = {"ReservationIds": [reservation_id], "VmStateNames": ["pending"]}
    return not client.raw("ReadVms", Filters=filters, ResultsPerPage=1)["Vms"]


def _delete_vms(client: Gateway) -> None:
    live = [
        vm["VmId"] for vm in client.raw("ReadVms", ResultsPerPage=1000)["Vms"] if vm["State"] != "terminated"
    ]
    client.raw("DeleteVms", VmIds=live)
    filters = {"VmStateNames": ["shutting-down"]}
    wait_for(lambda: not client.raw("ReadVms", Filters=filters, ResultsPerPage=1)["Vms"], "no VMs", 1200)


def _timed(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
