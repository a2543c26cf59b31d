"""One region with real guests for all tests of this folder: they tell one story, in the order of their files."""

import json
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from osc_sdk_python import Gateway
from tools import harness
from tools.harness import Credentials, Wrong, wait_for

from souche.app import official_images
from souche.app.official_images import DiskImage
from souche.errors import ProgramFailed, ProgramTimedOut
from souche.main.administration import administer
from souche.recipes.recipe import DISK_GIB
from souche.run import run
from souche.transfer.gate import AdmittedDisk

VM_TYPE = "tinav5.c1r1p2"
BOOT_SECONDS = 900
SILENT_SECONDS = 300
DEVICES = ("/dev/xvdb", "/dev/xvdc", "/dev/xvdd")
SSH_OPTIONS = (
    "BatchMode=yes",
    "ConnectTimeout=60",
    "LogLevel=ERROR",
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
)


@dataclass
class Served:
    """A region under test. The server can be killed and started again."""

    home: Path
    listen: str
    server: subprocess.Popen[bytes]
    who: Credentials
    client: Gateway
    image_id: str
    keys: dict[str, Path] = field(default_factory=dict)

    def start(self) -> None:
        """Start the server again after it was killed."""
        self.server = harness.serve(self.home, self.listen, self.home.with_suffix(".log"))

    def kill(self) -> None:
        """kill -9"""
        self.server.kill()
        self.server.wait()

    def vm(self, vm_id: str) -> dict[str, Any]:
        """The VM as ReadVms shows it."""
        found: dict[str, Any] = self.client.raw("ReadVms", Filters={"VmIds": [vm_id]})["Vms"][0]
        return found

    def image(self, image_id: str) -> dict[str, Any]:
        """The image as ReadImages shows it."""
        found: dict[str, Any] = self.client.raw("ReadImages", Filters={"ImageIds": [image_id]})["Images"][0]
        return found

    def wait_image(self, image_id: str, timeout_seconds: float = 60) -> dict[str, Any]:
        """The image once it is available."""
        wait_for(lambda: self.image(image_id)["State"] != "pending", f"{image_id} available", timeout_seconds)
        image = self.image(image_id)
        if image["State"] != "available":
            raise Wrong(f"{image_id} is {image['State']}: {image['StateComment']}")
        return image

    def volume(self, volume_id: str) -> dict[str, Any]:
        """The volume as ReadVolumes shows it."""
        found: dict[str, Any] = self.client.raw("ReadVolumes", Filters={"VolumeIds": [volume_id]})["Volumes"][
            0
        ]
        return found

    def wait_vm(self, vm_id: str, state: str, timeout_seconds: float = 180) -> dict[str, Any]:
        """The VM in this state. Fails at once if the VM failed to start and cannot reach it."""

        def there() -> bool:
            vm = self.vm(vm_id)
            if vm["State"] == "terminated" != state:
                raise Wrong(f"{vm_id} is terminated: {vm.get('StateReason')}")
            return bool(vm["State"] == state)

        wait_for(there, f"{vm_id} {state}", timeout_seconds)
        return self.vm(vm_id)

    def key(self, name: str) -> str:
        """A key pair of this name, whose private half `ssh` uses for the VMs that have it."""
        made = self.client.raw("CreateKeypair", KeypairName=name)["Keypair"]
        self.keys[name] = self.home.parent / f"{name}.pem"
        self.keys[name].touch(mode=0o600)
        self.keys[name].write_text(made["PrivateKey"])
        return name

    def launch(self, image_id: str, key: str, **parameters: object) -> dict[str, Any]:
        """A VM of the image that answers by SSH and has finished its first boot. SeaBIOS, unless another firmware is
        asked for: emulated, it is the faster one."""
        parameters = {"BootMode": "legacy", **parameters}
        made = self.client.raw("CreateVms", ImageId=image_id, VmType=VM_TYPE, KeypairName=key, **parameters)
        vm = self.wait_vm(made["Vms"][0]["VmId"], "running")
        self.wait_ssh(vm)
        return vm

    def wait_ssh(self, vm: dict[str, Any]) -> None:
        """Wait until the guest answers and cloud-init is done."""
        answer, vm_id = f"an answer of {vm['VmId']} by SSH", vm["VmId"]
        wait_for(lambda: self._is_up(vm), answer, SILENT_SECONDS, 1, lambda: self._console(vm_id))

    def ssh(self, vm: dict[str, Any], command: str, timeout_seconds: float = 120) -> str:
        """What a command prints in the guest."""
        options = [part for option in SSH_OPTIONS for part in ("-o", option)]
        key = str(self.keys[vm["KeypairName"]])
        argv = ["ssh", *options, "-i", key, f"outscale@{vm['PrivateIp']}", command]
        return run(argv, timeout_seconds=timeout_seconds).decode()

    def _console(self, vm_id: str) -> str:
        written: str = self.client.raw("ReadConsoleOutput", VmId=vm_id)["ConsoleOutput"]
        return written

    def _is_up(self, vm: dict[str, Any]) -> bool:
        try:
            return "done" in self.ssh(vm, "cloud-init status --wait", BOOT_SECONDS)
        except (ProgramFailed, ProgramTimedOut):
            return False


@contextmanager
def region_with_guests() -> Iterator[Served]:
    """A region of its own without any image, that takes what it has on this machine with it."""
    # Not pytest's tmp_path: QEMU's user must be able to pass through every folder.
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="souche-guests-"))
    folder.chmod(0o711)
    home = folder / "region"
    listen = f"127.0.0.1:{_free_port()}"
    server = harness.serve(home, listen, home.with_suffix(".log"))
    try:
        who = harness.create_account(home, "alice")
        region = Served(home, listen, server, who, harness.gateway(listen, who), "")
        yield region
        region.server.terminate()
        region.server.wait()
    finally:
        remove_guests(home)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def served(debian_12_image: Path) -> Iterator[Served]:
    with region_with_guests() as region:
        region.image_id = publish(region.home, debian_12_image)
        yield region


@pytest.fixture(scope="session")
def with_disks(served: Served) -> dict[str, Any]:
    """A VM of UEFI in the default group, with a TPM and an empty disk at each of `DEVICES`, that several files share;
    the last test of test_security_groups.py deletes it."""
    disks = [{"DeviceName": device, "Bsu": {"VolumeSize": 1}} for device in DEVICES]
    key = served.key("with-disks")
    return served.launch(served.image_id, key, BootMode="uefi", TpmEnabled=True, BlockDeviceMappings=disks)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def publish(home: Path, disk: Path) -> str:
    """The id of the official image that a Debian 12 disk becomes."""
    with administer(home) as administered:
        staged = administered.staging / "debian-12.qcow2"
        shutil.copy(disk, staged)
        image = official_images.publish(
            administered.region,
            DiskImage(
                AdmittedDisk(staged, "qcow2", DISK_GIB * 1024**3),
                "Debian-12",
                "",
                ("legacy", "uefi"),
            ),
        )
        administered.finish(official_images.operation_id(image))
        return image.image_id


def remove_guests(home: Path) -> None:
    """Everything that the region in `home` has on this machine outside its home: guests, server, network."""
    process = json.loads((home / "serving.json").read_text()).get("ProcessId")
    subprocess.run(["kill", "-9", str(process)], check=False, capture_output=True)
    driver = harness.hypervisor_of(home)
    for vm_id in driver.power_states():
        driver.remove(vm_id)
    driver.remove_network()
    driver.close()
