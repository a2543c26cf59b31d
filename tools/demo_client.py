"""The demonstration's requests to a region and its guests."""

import base64
import json
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import requests

from souche.errors import ProgramFailed, ProgramTimedOut
from souche.run import run
from tools.harness import Credentials, Wrong, gateway, guest_disk, wait_for

VM_TYPE: Final = "tinav5.c1r1p2"
SECOND_DEVICE: Final = "/dev/xvdb"
SILENT_SECONDS: Final = 420
"""longest silence on the console of a booting guest"""
SSH_SECONDS: Final = 1800
LAST_LINES: Final = 25
CLEANING_SECONDS: Final = 600
SSH_OPTIONS: Final = (
    "BatchMode=yes",
    "ConnectTimeout=60",
    "LogLevel=ERROR",
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
)


@dataclass(frozen=True)
class Launched:
    """A running VM that answers by SSH."""

    vm_id: str
    address: str
    volume_ids: dict[str, str]
    key_file: Path


class Client:
    """The demonstration's requests to the region, through osc-sdk-python."""

    def __init__(self, who: Credentials, listen: str, folder: Path) -> None:
        """`folder` is for the private halves of key pairs."""
        self._folder = folder
        self.call = gateway(listen, who)
        self._souche = gateway(listen, who, "souche/v1")

    def keypair(self, name: str) -> tuple[str, Path]:
        """A new key pair of this name: its name, and the file of its private half."""
        if self.call.ReadKeypairs(Filters={"KeypairNames": [name]})["Keypairs"]:
            self.call.DeleteKeypair(KeypairName=name)
        made = self.call.CreateKeypair(KeypairName=name)["Keypair"]
        key_file = self._folder / f"{name}.pem"
        key_file.unlink(missing_ok=True)
        key_file.touch(mode=0o600)
        key_file.write_text(made["PrivateKey"])
        return name, key_file

    def official_image(self) -> dict[str, Any]:
        """The provider's newest image."""
        filters = {"AccountAliases": ["Outscale"], "ImageNames": ["Debian-12-*"]}
        found = self.call.ReadImages(Filters=filters)["Images"]
        if not found:
            raise Wrong("ReadImages shows no image of Outscale's")
        image: dict[str, Any] = found[-1]
        expected = ("x86_64", {"legacy", "uefi"}, True)
        shown = (
            image["Architecture"],
            set(image["BootModes"]),
            image["PermissionsToLaunch"]["GlobalPermission"],
        )
        if shown != expected:
            raise Wrong(f"the official image shows {shown}, not {expected}")
        return image

    def launch(self, image_id: str, key: tuple[str, Path], mappings: list[dict[str, object]]) -> Launched:
        """A VM of the image that answers by SSH. Without KVM, SeaBIOS is faster than the default UEFI."""
        made = self.call.CreateVms(
            ImageId=image_id,
            VmType=VM_TYPE,
            KeypairName=key[0],
            BlockDeviceMappings=mappings,
            BootMode="legacy",
        )["Vms"][0]
        vm = self._wait_vm(made["VmId"], "running", 120)
        volumes = {each["DeviceName"]: each["Bsu"]["VolumeId"] for each in vm["BlockDeviceMappings"]}
        launched = Launched(vm["VmId"], vm["PrivateIp"], volumes, key[1])
        try:
            wait_for(
                lambda: _ssh_answers(launched),
                "an answer by SSH",
                SILENT_SECONDS,
                pause_seconds=1,
                progress=lambda: self._console(vm["VmId"]),
            )
        except Wrong as error:
            raise Wrong(f"{error}\n{self._told_of(vm['VmId'])}") from error
        return launched

    def image_of(self, vm: Launched) -> dict[str, Any]:
        """The OMI of a running VM; `Seconds` is the time until it was available."""
        began = time.monotonic()
        name = f"demo-{secrets.token_hex(4)}"
        made = self.call.CreateImage(VmId=vm.vm_id, ImageName=name, NoReboot=True)["Image"]
        image: dict[str, Any] = wait_for(
            lambda: self._settled_image(made["ImageId"]),
            "an image that is no longer pending",
            60,
            pause_seconds=0.02,
        )
        if image["State"] != "available" or len(image["BlockDeviceMappings"]) != 2:
            raise Wrong(f"the image is {image}")
        return image | {"Seconds": time.monotonic() - began}

    def guest_pause_milliseconds(self, image_id: str) -> float:
        """An upper bound of the guest's pause for an image."""
        answer = self._souche.raw("ReadImageOrigins", ImageIds=[image_id])
        return float(answer["ImageOrigins"][0]["GuestPauseMilliseconds"])

    def report_of(self, image_id: str) -> dict[str, Any]:
        """The completed report of an image."""

        def made() -> dict[str, Any] | None:
            answer = self._souche.raw("ReadImageReports", Filters={"ImageIds": [image_id]})
            report: dict[str, Any] = answer["ImageReports"][0]
            return report if report["State"] == "completed" else None

        found: dict[str, Any] = wait_for(made, "a report", 120)
        return found

    def clean_image_of(self, image: dict[str, Any]) -> str:
        """The id of a clean image of an image, which is still being made."""
        name = f"{image['ImageName']}-clean"
        made = self._souche.raw("CreateCleanImage", ImageId=image["ImageId"], ImageName=name)
        return str(made["Image"]["ImageId"])

    def cleaned(self, image_id: str) -> dict[str, Any]:
        """A clean image that is available."""
        image: dict[str, Any] = wait_for(
            lambda: self._settled_image(image_id), "a clean image", CLEANING_SECONDS
        )
        if image["State"] != "available":
            raise Wrong(f"the clean image is {image['State']}: {image['StateComment']}")
        return image

    def refused_snapshot(self, image: dict[str, Any]) -> None:
        """Try to delete a snapshot that the image uses."""
        snapshot_id = image["BlockDeviceMappings"][0]["Bsu"]["SnapshotId"]
        try:
            self.call.raw("DeleteSnapshot", SnapshotId=snapshot_id)
        except requests.HTTPError as error:
            answer = error.response
            code = answer.json()["Errors"][0]["Code"]
            if (answer.status_code, code) != (409, "9094"):
                raise Wrong(f"the refusal is {answer.status_code} {answer.text}") from error
            return
        raise Wrong(f"{snapshot_id} was deleted although {image['ImageId']} uses it")

    def delete_all(self, vms: list[Launched], *images: dict[str, Any]) -> None:
        """Delete VMs (their volumes go with them), images and their snapshots."""
        self.call.DeleteVms(VmIds=[vm.vm_id for vm in vms])
        for vm in vms:
            self._wait_vm(vm.vm_id, "terminated", 120)
        for image in images:
            self.call.DeleteImage(ImageId=image["ImageId"])
            for mapping in image["BlockDeviceMappings"]:
                self.call.DeleteSnapshot(SnapshotId=mapping["Bsu"]["SnapshotId"])
        ids = [volume_id for vm in vms for volume_id in vm.volume_ids.values()]
        left = self.call.ReadVolumes(Filters={"VolumeIds": ids})["Volumes"]
        if left:
            raise Wrong(f"these volumes are left over: {left}")

    def _console(self, vm_id: str) -> str:
        """The output of the guest on its console."""
        written: str = self.call.raw("ReadConsoleOutput", VmId=vm_id)["ConsoleOutput"]
        return base64.b64decode(written).decode(errors="replace")

    def _told_of(self, vm_id: str) -> str:
        """The VM and the end of its console, to find out why it does not answer."""
        vm = self.call.raw("ReadVms", Filters={"VmIds": [vm_id]})["Vms"][0]
        lines = self._console(vm_id).splitlines()[-LAST_LINES:]
        return "\n".join([json.dumps(vm), f"the end of its console ({vm_id}):", *lines])

    def _settled_image(self, image_id: str) -> dict[str, Any] | None:
        found: dict[str, Any] = self.call.raw("ReadImages", Filters={"ImageIds": [image_id]})["Images"][0]
        return None if found["State"] == "pending" else found

    def _wait_vm(self, vm_id: str, state: str, timeout_seconds: float) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            vm: dict[str, Any] = self.call.ReadVms(Filters={"VmIds": [vm_id]})["Vms"][0]
            if vm["State"] == "terminated" != state:
                raise Wrong(f"{vm_id} is terminated: {vm['StateReason']}")
            return vm if vm["State"] == state else None

        found: dict[str, Any] = wait_for(look, f"{vm_id} {state}", timeout_seconds)
        return found


def ssh(vm: Launched, command: str, timeout_seconds: float = 120) -> str:
    """The output of a command in a guest."""
    options = [part for option in SSH_OPTIONS for part in ("-o", option)]
    argv = ["ssh", *options, "-i", str(vm.key_file), f"outscale@{vm.address}", command]
    return run(argv, timeout_seconds=timeout_seconds).decode()


def _ssh_answers(vm: Launched) -> bool:
    try:
        return ssh(vm, "cloud-init status --wait >/dev/null; echo ready", SSH_SECONDS).strip() == "ready"
    except (ProgramFailed, ProgramTimedOut):
        return False


def write_markers(vm: Launched) -> tuple[str, str]:
    """Write random text to the root volume and the second volume."""
    root_marker, second_marker = secrets.token_hex(16), secrets.token_hex(16)
    disk = guest_disk(SECOND_DEVICE)
    ssh(
        vm,
        f"set -e; echo {root_marker} >marker; sudo mkfs.ext4 -q -L second $(readlink -f {disk});"
        f" sudo mount LABEL=second /mnt; echo {second_marker} | sudo tee /mnt/marker >/dev/null; sync",
    )
    return root_marker, second_marker


def check_markers(vm: Launched, markers: tuple[str, str]) -> None:
    """Check that both exist."""
    read = ssh(vm, "cat marker; sudo mount LABEL=second /mnt && sudo cat /mnt/marker").split()
    if read != list(markers):
        raise Wrong(f"the markers are {read}, and should be {list(markers)}")


def check_last_key(vm: Launched, key: tuple[str, Path]) -> None:
    """Check that the key of the launch is the last authorised key."""
    last = ssh(vm, "tail -n 1 .ssh/authorized_keys").split()
    own = run(["ssh-keygen", "-y", "-f", key[1]], timeout_seconds=30).decode().split()
    if last[:2] != own[:2]:
        raise Wrong(f"the last authorized key is {last}, not that of this launch")


def check_opens(vm: Launched, key: tuple[str, Path]) -> None:
    """Check that a key other than the launch's opens the VM."""
    _by_another_key(vm, key)


def check_refused(vm: Launched, key: tuple[str, Path]) -> None:
    """Check that a key other than the launch's does not open the VM."""
    try:
        _by_another_key(vm, key)
    except ProgramFailed as error:
        if "Permission denied" in str(error):
            return
        raise
    raise Wrong(f"the key '{key[0]}' opens {vm.vm_id}")


def _by_another_key(vm: Launched, key: tuple[str, Path]) -> None:
    ssh(replace(vm, key_file=key[1]), "true")
